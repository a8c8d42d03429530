import { displayWidth, shortened } from '../words/display-width.js'
import type { Paint } from './paint.js'

export interface Column {
  readonly heads: readonly [string, string]
  /** A column with a rank is left out where there is no room, the highest rank first. One without a rank is always shown. */
  readonly rank?: number
}

export interface Row {
  readonly label: string
  /** One for each column. A heading has none. */
  readonly cells: readonly string[]
  /** Of a heading: behind it, or on a line of its own. */
  readonly note?: string
  readonly paint?: (label: string) => string
}

const longestLabel = 48
const shortestLabel = 24

interface Layout {
  readonly shown: readonly number[]
  readonly widths: readonly number[]
  readonly gap: number
  readonly label: number
  readonly rows: readonly Row[]
}

/** Lines no longer than `width`, with as many columns as there is room for. A long label has a line of its own. */
export function textTable (columns: readonly Column[], rows: readonly Row[], width: number, paint: Paint): string[] {
  const fitting = fit(columns, rows, width)
  const layout = { ...fitting, label: Math.max(0, Math.min(fitting.label, longestOf(rows))) }
  const line = (label: string, cells: readonly string[]) => label + layout.shown
    .map((column, place) => ' '.repeat(layout.gap) + (cells[column] ?? '').padStart(layout.widths[place] ?? 0))
    .join('')
  const heads = ([0, 1] as const)
    .map(index => line(' '.repeat(layout.label), columns.map(column => column.heads[index])).trimEnd())
    .filter(head => head !== '')
  return [...heads.map(paint.faint), ...layout.rows.flatMap(row => rowLines(row, layout.label, width, line))]
}

/** The longest label beside which there are cells: a heading has the whole line. */
function longestOf (rows: readonly Row[]): number {
  return Math.max(0, ...rows.filter(row => row.cells.length > 0).map(row => displayWidth(row.label)))
}

function rowLines ({ label, cells, note, paint = text => text }: Row, room: number, width: number, line: (label: string, cells: readonly string[]) => string): string[] {
  const whole = shortened(label, width)
  const taken = displayWidth(whole)
  if (cells.length === 0 && note !== undefined) return taken + note.length + 2 <= width ? [`${paint(whole)}  ${note}`] : [paint(whole), `  ${shortened(note, width - 2)}`]
  if (cells.length === 0) return [paint(whole)]
  if (taken > room) return [paint(whole), line(' '.repeat(room), cells)]
  return [paint(label) + line(' '.repeat(room - taken), cells)]
}

function fit (columns: readonly Column[], rows: readonly Row[], width: number): Layout {
  const wanted = Math.min(longestLabel, longestOf(rows))
  const ranks = columns.flatMap(({ rank }) => rank === undefined ? [] : [rank]).sort((a, b) => b - a)
  // The last resort is `31.2s` in the place of `31.2 s`.
  const tight = rows.map(row => ({ ...row, cells: row.cells.map(cell => cell.replace(' ', '')) }))
  const layouts = [
    ...ranks.map(rank => layoutOf(columns, rows, rank, 2, width)),
    layoutOf(columns, rows, -1, 2, width),
    layoutOf(columns, rows, -1, 1, width),
    layoutOf(columns, tight, -1, 1, width)
  ]
  return layouts.find(({ label }) => label >= wanted) ?? layouts.find(({ label }) => label >= shortestLabel) ?? layoutOf(columns, tight, -1, 1, width)
}

/** The layout with all columns up to this rank. Its `label` is the room that they leave. */
function layoutOf (columns: readonly Column[], rows: readonly Row[], rank: number, gap: number, width: number): Layout {
  const shown = [...columns.keys()].filter(index => (columns[index]?.rank ?? -1) <= rank)
  const widths = shown.map(index => Math.max(...(columns[index]?.heads ?? []).map(head => head.length), ...rows.map(row => row.cells[index]?.length ?? 0)))
  return { shown, widths, gap, rows, label: width - widths.reduce((sum, cell) => sum + cell + gap, 0) }
}
