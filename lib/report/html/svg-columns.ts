import { html, jsonPoint, type Html } from './html.js'
import { niceTicks, shortCount } from './axis-ticks.js'

export interface Segment {
  /** CSS class that colours it. */
  readonly series: string
  readonly value: number
  readonly path: string
}

interface ChartColumn {
  /** Shown by the browser when the pointer rests on it. */
  readonly title: string
  readonly segments: readonly Segment[]
}

export interface Tick {
  /** From 0, left, to 1, right. */
  readonly at: number
  readonly label: string
  /** A narrow screen leaves it out. */
  readonly minor?: boolean
  /** Names a column, and is not wider. */
  readonly ofColumn?: boolean
}

export interface ColumnChart {
  readonly name: string
  readonly columns: readonly ChartColumn[]
  readonly ticks: readonly Tick[]
  /** Vertical lines. */
  readonly marks?: readonly Tick[]
}

const height = 170
const below = 24
const markRoom = 18

/**
 * Stacked columns over a count axis. Widths are percentages and heights pixels, so that the chart takes the width there
 * is and its text keeps its size.
 */
export function svgColumns ({ name, columns, ticks, marks = [] }: ColumnChart): Html {
  const above = 10 + marks.length * markRoom
  const counts = niceTicks(Math.max(0, ...columns.map(column => sum(column.segments))))
  const scale = height / (counts.at(-1) ?? 1)
  const bottom = above + height
  const axisWidth = Math.max(...counts.map(count => shortCount(count).length)) * 7 + 10
  const y = (count: number) => round(bottom - count * scale)
  const bars = columns.map((column, index) => {
    let base = 0
    const rects = column.segments.filter(segment => segment.value > 0).map(segment => {
      base += segment.value
      return html`<rect class="${segment.series}" x="${percent((index + 0.08) / columns.length)}" width="${percent(0.84 / columns.length)}" y="${y(base)}" height="${round(segment.value * scale)}" ${jsonPoint(segment.path, segment.value)}/>`
    })
    return html`<g><title>${column.title}</title>${rects}</g>`
  })
  return html`<div class="plot">
<svg class="axis" width="${axisWidth}" height="${bottom + below}" aria-hidden="true">${counts.map(count => html`<text x="${axisWidth - 6}" y="${y(count) + 4}" text-anchor="end">${shortCount(count)}</text>`)}</svg>
<svg class="area" width="100%" height="${bottom + below}" role="img" aria-label="${name}">
${counts.map(count => html`<line class="${count === 0 ? 'base' : 'grid'}" x1="0" x2="100%" y1="${y(count)}" y2="${y(count)}"/>`)}
${bars}
${ticks.map(tick => html`<text class="${tick.minor === true ? 'minor' : ''}" x="${percent(tick.at)}" y="${bottom + 17}" text-anchor="${anchor(tick)}">${tick.label}</text>`)}
${marksSvg(marks, bottom)}
</svg></div>`
}

/** From left to right each mark starts lower than the one before, so that no line crosses the name of another. */
function marksSvg (marks: readonly Tick[], bottom: number): Html {
  const placed = [...marks].sort((a, b) => a.at - b.at).map((mark, index) => ({ ...mark, top: 14 + index * markRoom, side: sideOf(mark) }))
  const lines = placed.map(({ at, top, side }) => html`<line class="mark" x1="${percent(at)}" x2="${percent(at)}" y1="${side === 'middle' ? top + 4 : top - 10}" y2="${bottom}"/>`)
  const names = placed.map(({ at, top, label, side }) => html`<text class="mark" x="${percent(at)}" dx="${{ start: 5, middle: 0, end: -5 }[side]}" y="${top}" text-anchor="${side}">${label}</text>`)
  return html`${lines}${names}`
}

/** A name stands beside its line, or where the chart is too narrow for that, above it. */
function sideOf ({ at, label }: Tick): 'start' | 'middle' | 'end' {
  const width = (label.length * characterWidth + 5) / narrowest
  if (at + width <= 1) return 'start'
  return at >= width ? 'end' : 'middle'
}

/** A chart is not narrower than this, in pixels; on a wide screen not than the second. */
const narrowest = 240
const narrowestOfWide = 440
/** Of a character of a label. */
const characterWidth = 7.2
const labelGap = 8

/** The ticks whose labels do not touch the one before; those that a narrow chart has no room for are marked as minor. */
export function thinned (ticks: readonly Tick[]): Tick[] {
  const shown = fittingInto(narrowestOfWide, ticks)
  const always = new Set(fittingInto(narrowest, shown))
  return shown.map(tick => always.has(tick) ? tick : { ...tick, minor: true })
}

function fittingInto (chart: number, ticks: readonly Tick[]): Tick[] {
  let taken = -Infinity
  return ticks.filter(tick => {
    const width = tick.label.length * characterWidth
    const start = tick.at * chart - { start: 0, middle: width / 2, end: width }[anchor(tick)]
    if (start < taken) return false
    taken = start + width + labelGap
    return true
  })
}

/** The outermost labels stay inside the chart, down to its narrowest. */
function anchor ({ at, label, ofColumn }: Tick): 'start' | 'middle' | 'end' {
  const half = label.length * characterWidth / 2 / narrowest
  if (ofColumn === true) return 'middle'
  if (at < half) return 'start'
  return at > 1 - half ? 'end' : 'middle'
}

function sum (segments: readonly Segment[]): number {
  return segments.reduce((total, { value }) => total + value, 0)
}

export function percent (share: number): string {
  return `${round(share * 100)}%`
}

function round (value: number): number {
  return Math.round(value * 100) / 100
}
