import { html, jsonPoint, type Html } from './html.js'

/** Text, or a number with its place in the `--json` output; `undefined` where there is no such number. */
export type Cell = string | { readonly text: string, readonly path: string, readonly value: number } | undefined

/** A table. On a narrow screen each row becomes a card, whose cells show the names of their columns. */
export function htmlTable (heads: readonly string[], rows: readonly (readonly Cell[])[]): Html {
  return html`<div class="table"><table><thead><tr>${heads.map((head, index) => html`<th scope="col" class="${typeof rows[0]?.[index] === 'string' ? 'text' : ''}">${head}</th>`)}</tr></thead>
<tbody>
${rows.map(row => html`<tr>${row.map((cell, index) => tableCell(cell, heads[index] ?? ''))}</tr>
`)}</tbody></table></div>
`
}

function tableCell (cell: Cell, head: string): Html {
  if (cell === undefined) return html`<td data-head="${head}">–</td>`
  if (typeof cell === 'string') return html`<td class="text" data-head="${head}">${cell}</td>`
  return html`<td data-head="${head}" ${jsonPoint(cell.path, cell.value)}>${cell.text}</td>`
}
