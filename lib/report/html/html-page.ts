import { adviceText, moreAdviceText, movingText } from '../words/advice-text.js'
import { countText, percentText } from '../words/amount-text.js'
import { html, Html, jsonPoint } from './html.js'
import { clientChart, rateChart, routeChart, shareChart, timelineChart } from './html-charts.js'
import { pageStyle } from './html-style.js'
import { clientTable, groupTable, leftTable, limitTable, networkTable, timelineTable } from './html-tables.js'
import { failedText, inputText, nothingText, observedText, periodText, phasesText, requestsText, untimedText } from '../words/overview-text.js'
import { blameName, blames } from '../reasons.js'
import type { Report, Section, SectionKind } from '../report.js'

const advisedRoutes = 20

const groupTitles: Readonly<Record<Report['groupBy'], string>> = {
  'route-and-reason': 'By route and reason',
  route: 'By route',
  reason: 'By reason',
  client: 'By client',
  hour: 'By hour'
}

/** One self-contained page. Its content security policy forbids other files, network access and scripts. */
export function htmlPage (report: Report): string {
  const { input, failed, observed, requests } = report
  return `<!doctype html>
${html`<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>Aborted reads</title>
<style>${new Html(pageStyle)}</style>
</head>
<body>
<main>
<h1>Aborted reads</h1>
<p class="period">${periodText(report)}${filterText(report)}</p>
${[...inputText(input), ...requestsText(report)].map(text => html`<p class="note">${text}</p>
`)}
<p class="note">${input.files.join(', ')}</p>
<ul class="tiles">
${tile('lines', countText(input.lines), 'input.lines', input.lines)}
${tile('records', countText(input.records), 'input.records', input.records)}
${requests === null ? '' : tile('requests', countText(requests.completed), 'requests.completed', requests.completed)}
${input.suppressed === 0 ? '' : tile('kept out by logLimit', countText(input.suppressed), 'input.suppressed', input.suppressed)}
</ul>
${failed.count + observed.count === 0 ? html`<p>${nothingText(input)}</p>` : ''}
${sectionPart(failed, 'failed', report)}
${sectionPart(observed, 'observed', report)}
<footer>Counts and sums are exact; rows marked ≥ are lower bounds. Medians and other quantiles are within 1%. p95: 95% of the reads are at or below it. Elapsed is the client's time; delays of the server are not in it.</footer>
</main>
</body>
</html>
`.toString()}`
}

function sectionPart (section: Section, sectionKind: SectionKind, { groupBy, requests }: Report): Html {
  if (section.count === 0) return html``
  const title = { failed: 'Reads that failed', observed: 'What enforcing would have cut' }[sectionKind]
  return html`<section>
<h2>${title}</h2>
<p>${sectionKind === 'observed' ? observedText(section) : failedText(section, requests)}</p>
<ul class="tiles">
${tile('reads', countText(section.count), `${sectionKind}.count`, section.count)}
${blames.filter(blame => section.blame[blame] > 0).map(blame => tile(`${blameName(blame)}, ${percentText(section.blame[blame] / section.count)}`, countText(section.blame[blame]), `${sectionKind}.blame.${blame}`, section.blame[blame]))}
</ul>
${[...phasesText(section), ...untimedText(section)].map(text => html`<p class="note">${text}</p>
`)}<div class="charts">
${timelineChart(section, sectionKind)}
${shareChart(section, sectionKind)}
${rateChart(section, sectionKind)}
${routeChart(section, sectionKind)}
${clientChart(section, sectionKind)}
</div>
<h3>${groupTitles[groupBy]}</h3>
${groupTable(section, sectionKind)}
<h3>Busiest clients</h3>
${clientTable(section, sectionKind)}
${titled('Busiest networks of IPv6', section.networks, () => networkTable(section, sectionKind))}
${titled('Clients that left', section.left, () => leftTable(section, sectionKind))}
<details><summary>Numbers over time</summary>
${timelineTable(section, sectionKind)}</details>
${advicePart(section, sectionKind)}
</section>`
}

function titled (title: string, rows: readonly unknown[], table: () => Html): Html {
  return rows.length === 0 ? html`` : html`<h3>${title}</h3>\n${table()}`
}

function advicePart ({ advice }: Section, sectionKind: SectionKind): Html {
  if (advice.length === 0) return html``
  return html`<h2>${{ failed: 'Are the limits right?', observed: 'What limits would be enough?' }[sectionKind]}</h2>
<p class="note">${movingText}</p>
${advice.slice(0, advisedRoutes).map((route, index) => html`<div class="advice"><h3>${route.route}</h3>
${adviceText(route, sectionKind).map(text => html`<p>${text}</p>
`)}${limitTable(route, `${sectionKind}.advice.${index}`)}</div>
`)}${moreAdviceText(advice.length - advisedRoutes).map(text => html`<p class="note">${text}</p>
`)}`
}

function tile (label: string, text: string, path: string, value: number): Html {
  return html`<li><b ${jsonPoint(path, value)}>${text}</b><span>${label}</span></li>`
}

function filterText ({ filter: { since, until, route } }: Report): string {
  const parts = [
    ...route === null ? [] : [`route ${route}`],
    ...since === null ? [] : [`since ${since}`],
    ...until === null ? [] : [`until ${until}`]
  ]
  return parts.length === 0 ? '' : ` – only ${parts.join(', ')}`
}
