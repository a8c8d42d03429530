import { bytesText, countText, rateText, timeText } from '../words/amount-text.js'
import { html, type Html } from './html.js'
import { timeTicks, widthName } from './axis-ticks.js'
import { blameName, blames, reportedReasons, type ReportedReason } from '../reasons.js'
import type { RateDistribution, Section, SectionKind } from '../report.js'
import { svgBars } from './svg-bars.js'
import { svgColumns, thinned, type Segment } from './svg-columns.js'

const mostBars = 10

type Reasons = Section['reasons']

/** Aborts over time by reason. */
export function timelineChart ({ timeline: { bucketMs, buckets }, reasons }: Section, path: string): Html {
  const starts = buckets.map(bucket => Date.parse(bucket.time))
  const from = starts[0]
  const last = starts.at(-1)
  if (from === undefined || last === undefined) return html``
  const to = last + bucketMs
  const unit = `reads per ${widthName(bucketMs)}`
  const moments = timeTicks(from, to)
  const ticks = moments.map(({ time, label }) => ({ at: (time - from) / (to - from), label }))
  return figure('wide', 'Over time', `${unit}, by reason; times in UTC`, reasonLegend(reasons), svgColumns({
    name: `Failed reads over time, ${unit}`,
    columns: buckets.map((bucket, index) => ({
      title: `${timeText(bucket.time, bucketMs)} UTC: ${reasonList(bucket.reasons)}`,
      segments: reasonSegments(bucket.reasons, `${path}.timeline.buckets.${index}.reasons`)
    })),
    ticks: thinned(ticks)
  }))
}

export function routeChart ({ routes, reasons }: Section, path: string): Html {
  return figure('', 'By route', `reads, by reason${routes.length > 1 ? '; the busiest routes' : ''}`, reasonLegend(reasons), svgBars('Reads by route', routes.slice(0, mostBars).map((row, index) => ({
    label: row.route,
    count: row.count,
    atMost: row.atMost,
    path: `${path}.routes.${index}.count`,
    segments: reasonSegments(row.reasons, `${path}.routes.${index}.reasons`)
  }))))
}

export function clientChart ({ clients, blame }: Section, sectionKind: SectionKind): Html {
  const legend = blames.map(blame => ({ series: blame, name: blameName(blame) })).filter(({ series }) => blame[series] > 0)
  return figure('', 'Busiest clients', { failed: 'reads, by blame', observed: 'reads, by blame' }[sectionKind], legend.map(({ series, name }) => key(series, name)), svgBars('Reads by client', clients.slice(0, mostBars).map((row, index) => ({
    label: row.client,
    count: row.count,
    atMost: row.atMost,
    path: `${sectionKind}.clients.${index}.count`,
    segments: blames.map(blame => ({ series: blame, value: row.blame[blame], path: `${sectionKind}.clients.${index}.blame.${blame}` }))
  }))))
}

export function shareChart ({ receivedShare: { bins, declared, undeclared } }: Section, path: string): Html {
  if (declared === 0) return html``
  const label = ({ to }: typeof bins[number]) => to === null ? '100' : to === 100 ? '<100' : to === 0 ? '0' : `≤${to}`
  return figure('', 'How far they got', `reads by percent of the declared bytes received${undeclared === 0 ? '' : `; ${countText(undeclared)} declared no length`}`, [], svgColumns({
    name: 'Reads by percent of the declared bytes received',
    columns: bins.map((bin, index) => ({
      title: `${label(bin)}%: ${countText(bin.count)} reads`,
      segments: [{ series: 'plain', value: bin.count, path: `${path}.receivedShare.bins.${index}.count` }]
    })),
    ticks: bins.map((bin, index) => ({ at: (index + 0.5) / bins.length, label: label(bin), minor: index % 2 === 1, ofColumn: true }))
  }))
}

export function rateChart ({ rates }: Section, sectionKind: SectionKind): Html {
  const { bins, limits } = rates
  if (bins.length === 0) return html``
  const decades = [...bins.entries()].filter(([, { from }]) => Number.isInteger(Math.log10(from)))
  const ticks = decades.map(([index, { from }]) => ({ at: index / bins.length, label: rateTick(from) }))
  const cut = { failed: 'cut', observed: 'would have been cut' }[sectionKind]
  const legend = [
    ...bins.some(bin => bin.tooSlow > 0) ? [key('tooslow', `${cut} for its rate`)] : [],
    ...bins.some(bin => bin.other > 0) ? [key('other', `${cut} for its time`)] : []
  ]
  return figure('', 'How fast they were', 'reads of slow clients that had sent something, by bytes per second', legend, svgColumns({
    name: 'Reads of slow clients by bytes per second',
    columns: bins.map(({ from, to, tooSlow, other }, index) => ({
      title: `${rateText(from)} to ${rateText(to)}: ${countText(tooSlow)} ${cut} for their rate, ${countText(other)} for their time`,
      segments: [
        { series: 'tooslow', value: tooSlow, path: `${sectionKind}.rates.bins.${index}.tooSlow` },
        { series: 'other', value: other, path: `${sectionKind}.rates.bins.${index}.other` }
      ]
    })),
    ticks: thinned(ticks),
    marks: limits.map(({ option, bytesPerSecond }) => ({ at: placeOf(bytesPerSecond, bins), label: `${option} ${rateText(bytesPerSecond)}` }))
  }))
}

/** The place of a rate, from 0 to 1, on an axis whose bins are equally wide. */
function placeOf (rate: number, bins: RateDistribution['bins']): number {
  const index = bins.findIndex(bin => rate < bin.to)
  const bin = bins[index]
  if (bin === undefined) return 1
  const within = bin.from === 0 ? rate / bin.to : Math.log(rate / bin.from) / Math.log(bin.to / bin.from)
  return (index + within) / bins.length
}

function rateTick (rate: number): string {
  return bytesText(rate).replace(' ', '').replace('B', '')
}

function figure (className: string, title: string, unit: string, legend: readonly Html[], chart: Html): Html {
  return html`<figure class="${className}"><figcaption><h3>${title}</h3><p class="unit">${unit}</p></figcaption>
<ul class="legend">${legend}</ul>
${chart}
</figure>
`
}

function reasonLegend (reasons: Reasons): Html[] {
  return reportedReasons.filter(reason => reasons[reason] !== undefined).map(reason => key(reason, reason))
}

function key (series: string, name: string): Html {
  return html`<li><svg width="12" height="12" aria-hidden="true"><rect class="${series}" width="12" height="12" rx="2"/></svg>${name}</li>`
}

function reasonSegments (reasons: Reasons, path: string): Segment[] {
  return reportedReasons.map(reason => ({ series: reason, value: reasons[reason] ?? 0, path: `${path}.${reason}` }))
}

function reasonList (reasons: Reasons): string {
  const named = (Object.entries(reasons) as [ReportedReason, number][]).map(([reason, count]) => `${reason} ${countText(count)}`)
  return named.length === 0 ? 'none' : named.join(', ')
}
