import { atLeastText, bytesText, durationText } from '../words/amount-text.js'
import type { Section } from '../report.js'
import type { Paint } from './paint.js'
import { textTable, type Column, type Row } from './text-table.js'

const columns: readonly Column[] = [
  { heads: ['', 'reads'] },
  { heads: ['worked or sent for', 'median'] },
  { heads: ['', 'p95'] },
  { heads: ['', 'max'], rank: 1 },
  { heads: ['taken of it', 'median'] },
  { heads: ['', 'p95'], rank: 2 }
]

/** Clients that left before they had the response: how long the handler had worked, or the response been on its way. */
export function leftTable ({ left }: Section, width: number, paint: Paint): string[] {
  const rows: Row[] = []
  for (const phase of ['handler', 'response'] as const) {
    const of = left.filter(row => row.phase === phase)
    if (of.length === 0) continue
    rows.push({ label: { handler: 'while the handler worked', response: 'before they had the response' }[phase], cells: [], paint: paint.strong })
    for (const row of of) {
      const { elapsed, sent } = row
      rows.push({
        label: `  ${row.route}`,
        cells: [atLeastText(row), durationText(elapsed.median), durationText(elapsed.p95), durationText(elapsed.max), sent === null ? '–' : bytesText(sent.median), sent === null ? '–' : bytesText(sent.p95)]
      })
    }
  }
  return textTable(columns, rows, width, paint)
}
