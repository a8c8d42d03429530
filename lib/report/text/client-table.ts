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
    cells: cells(row, count)
  })), width, paint)
}

/** Networks of IPv6, of which one subscriber has a whole one. */
export function networkTable ({ networks, count }: Section, width: number, paint: Paint): string[] {
  return textTable([...columns, { heads: ['', 'addresses'] }], networks.slice(0, mostRows).map(row => ({
    label: row.client,
    cells: [...cells(row, count), countText(row.addresses)]
  })), width, paint)
}

function cells (row: Section['clients'][number], count: number): string[] {
  return [
    atLeastText(row),
    percentText(row.count / count),
    countText(row.blame.client_slow),
    countText(row.blame.client_gone),
    countText(row.blame.client_invalid),
    bytesText(row.received)
  ]
}
