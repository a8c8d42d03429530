import { atLeastText, bytesText, countText, percentText } from '../words/amount-text.js'
import type { Paint } from './paint.js'
import type { Section } from '../report.js'
import { textTable, type Column } from './text-table.js'

const mostRows = 10

const columns: readonly Column[] = [
  { heads: ['', 'reads'] },
  { heads: ['', 'share'] },
  { heads: ['', 'slow'] },
  { heads: ['', 'left'] },
  { heads: ['', 'invalid'] },
  { heads: ['', 'received'] }
]

export function clientTable ({ clients, count }: Section, width: number, paint: Paint): string[] {
  return textTable(columns, clients.slice(0, mostRows).map(row => ({
    label: row.client,
    cells: [
      atLeastText(row),
      percentText(row.count / count),
      countText(row.blame.client_slow),
      countText(row.blame.client_gone),
      countText(row.blame.client_invalid),
      bytesText(row.received)
    ]
  })), width, paint)
}
