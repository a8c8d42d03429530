import { atLeastText } from '../words/amount-text.js'
import { shortenedInside } from '../words/display-width.js'
import { html, jsonPoint, type Html } from './html.js'
import { percent, type Segment } from './svg-columns.js'

export interface Bar {
  readonly label: string
  readonly count: number
  /** More than `count` where some may be missing. */
  readonly atMost: number
  readonly path: string
  readonly segments: readonly Segment[]
}

const rowHeight = 44
/** Share of the width. The rest is room for the number. */
const longest = 0.74
/** A longer label keeps its start and its end, which tell routes apart. The title and the table have all of it. */
const longestLabel = 40

/** Stacked horizontal bars, each under its label and with its total at the end. */
export function svgBars (name: string, bars: readonly Bar[]): Html {
  const max = Math.max(1, ...bars.map(bar => bar.count))
  const rows = bars.map((bar, index) => {
    const top = index * rowHeight
    const share = (value: number) => value / max * longest
    let end = 0
    const rects = bar.segments.filter(segment => segment.value > 0).map(segment => {
      const start = end
      end += segment.value
      return html`<rect class="${segment.series}" x="${percent(share(start))}" width="${percent(share(segment.value))}" y="${top + 20}" height="16" ${jsonPoint(segment.path, segment.value)}/>`
    })
    return html`<g><title>${bar.label}</title><text class="label" x="0" y="${top + 14}">${shortenedInside(bar.label, longestLabel)}</text>${rects}<text x="${percent(share(end))}" dx="6" y="${top + 33}" ${jsonPoint(bar.path, bar.count)}>${atLeastText(bar)}</text></g>`
  })
  return html`<svg class="bars" width="100%" height="${bars.length * rowHeight}" role="img" aria-label="${name}">${rows}</svg>`
}
