/** Every colour has a contrast of at least 3:1 on white and on the dark ground, so one set serves both. */
const seriesColours: Readonly<Record<string, string>> = {
  body_too_slow: '#3f6fd8',
  body_idle_timeout: '#d9661f',
  body_timeout: '#1a9177',
  headers_timeout: '#b5852a',
  headers_too_slow: '#7f63c9',
  handshake_timeout: '#3d8fb8',
  response_too_slow: '#2f7d9e',
  response_idle_timeout: '#b0603a',
  client_aborted: '#7d858f',
  response_aborted: '#66758a',
  body_too_large: '#c93f63',
  headers_too_large: '#a8478f',
  length_required: '#8f7356',
  length_mismatch: '#dd5c9f',
  malformed: '#b3462f',
  unknown: '#6b7a55',
  client_slow: '#3f6fd8',
  client_gone: '#7d858f',
  client_invalid: '#c93f63',
  plain: '#3f6fd8',
  tooslow: '#3f6fd8',
  other: '#1a9177'
}

const series = Object.entries(seriesColours).map(([name, colour]) => `.${name}{fill:${colour}}`).join('')

/** The page's whole style sheet. Its classes are fixed: none is made from the text of a log. */
export const pageStyle = `
:root{color-scheme:light dark;--ground:#fff;--card:#fff;--text:#1b1f24;--faint:#59636e;--line:#d8dee4;--mark:#b42318}
@media (prefers-color-scheme:dark){:root{--ground:#0f1318;--card:#161b22;--text:#e8edf2;--faint:#9aa5b1;--line:#303841;--mark:#ff8a7a}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--ground);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1180px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:26px;line-height:1.25;margin:0 0 4px}
h2{font-size:20px;line-height:1.3;margin:48px 0 8px;padding-top:16px;border-top:1px solid var(--line)}
h3{font-size:16px;line-height:1.4;margin:28px 0 0;overflow-wrap:anywhere}
p{margin:0 0 8px;max-width:78ch;overflow-wrap:anywhere}
.unit,.note,.period{color:var(--faint)}
.unit,.note{font-size:13px}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:12px;margin:16px 0;padding:0;list-style:none}
.tiles li{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px}
.tiles b{display:block;font-size:24px;line-height:1.2;font-variant-numeric:tabular-nums}
.tiles span{color:var(--faint);font-size:13px}
.charts{display:grid;grid-template-columns:minmax(0,1fr);gap:16px;margin:16px 0}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:14px 16px 12px;min-width:0}
figcaption h3{margin:0}
figcaption p{margin:0 0 6px}
.legend{display:flex;flex-wrap:wrap;gap:2px 14px;margin:0 0 8px;padding:0;list-style:none;font-size:13px}
.legend li{display:flex;align-items:center;gap:6px}
.plot{display:grid;grid-template-columns:auto minmax(0,1fr)}
svg{display:block}
svg text{fill:var(--faint);font-size:12px;font-variant-numeric:tabular-nums}
svg text.label,.bars text{fill:var(--text);font-size:13px}
.grid{stroke:var(--line)}
.base{stroke:var(--faint)}
line.mark{stroke:var(--mark);stroke-width:1.5;stroke-dasharray:4 3}
svg text.mark{fill:var(--mark);font-weight:600;paint-order:stroke;stroke:var(--card);stroke-width:5px}
rect{stroke:var(--card);stroke-width:.5}
${series}
.table{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums;margin:8px 0}
th,td{text-align:right;padding:5px 8px;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--faint);font-weight:600;font-size:12px;vertical-align:bottom}
td{white-space:nowrap}
td.text{text-align:left;white-space:normal}
td.text:first-child{overflow-wrap:anywhere}
th:first-child,tbody td:first-child{text-align:left;padding-left:0}
th.text{text-align:left}
details{margin:4px 0 12px}
summary{cursor:pointer;color:var(--faint);font-size:13px}
.advice{margin:20px 0;max-width:78ch}
.advice table{max-width:560px}
footer{margin-top:48px;color:var(--faint);font-size:13px}
@media (min-width:1040px){.charts{grid-template-columns:repeat(2,minmax(0,1fr))}.wide{grid-column:1/-1}}
@media (max-width:760px){
.minor{display:none}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
table,tbody{display:block}
tr{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:4px 12px;padding:10px 0;border-bottom:1px solid var(--line)}
tbody td,tbody td.text{display:block;text-align:left;white-space:normal;overflow-wrap:anywhere;padding:0;border:0}
tbody td.text{grid-column:1/-1;font-weight:600}
td::before{content:attr(data-head);display:block;color:var(--faint);font-size:12px;font-weight:400}
td.text::before{display:none}
td:empty{display:none}
}
@media print{figure{break-inside:avoid}}
`
