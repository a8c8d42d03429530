import { atLeastText, bytesText, countText, durationText, percentText, rateText, timeText } from '../words/amount-text.js'
import { groupNotes } from '../words/group-notes.js'
import { html, type Html } from './html.js'
import { htmlTable, type Cell } from './html-table.js'
import { blameName, blames, reportedReasons } from '../reasons.js'
import type { GroupRow, LimitAdvice, Measures, RouteAdvice, Section, Spread } from '../report.js'

const mostRows = 200
const measureHeads = ['Reads', 'Share', 'Received, median', 'Received, p95', 'Elapsed, median', 'Elapsed, p95', 'Rate, median', 'Rate, p95', 'Bytes in all']

/** The groups, the busiest 200 of them. */
export function groupTable ({ groups, otherGroups, groupSpan }: Section, path: string): Html {
  const indexed = groups.map((group, index) => ({ group, index }))
  const shown = new Set(indexed.length > mostRows ? [...indexed].sort((a, b) => b.group.count - a.group.count).slice(0, mostRows) : indexed)
  const rows = indexed.filter(row => shown.has(row)).map(({ group, index }) => [...nameCells(group), ...measureCells(group, `${path}.groups.${index}`)])
  const names = groups[0] === undefined ? [] : nameHeads(groups[0])
  if (otherGroups !== null) rows.push([...names.map((_, index) => index === 0 ? 'all others' : ''), ...measureCells({ ...otherGroups, atMost: otherGroups.count }, `${path}.otherGroups`)])
  const omitted = groups.length - shown.size
  return html`${htmlTable([...names, ...measureHeads], rows)}${omitted === 0 ? '' : html`<p class="note">and ${countText(omitted)} rows with fewer reads, which --json has</p>`}${groupNotes(groups, groupSpan).map(note => html`<p class="note">${note}</p>`)}`
}

export function clientTable ({ clients }: Section, path: string): Html {
  return htmlTable(['Client', 'Reads', ...blames.map(blameName), 'Bytes received'], clients.map((row, index) => {
    const at = `${path}.clients.${index}`
    return [
      row.client,
      { text: atLeastText(row), path: `${at}.count`, value: row.count },
      ...blames.map(blame => countCell(row.blame[blame], `${at}.blame.${blame}`)),
      { text: bytesText(row.received), path: `${at}.received`, value: row.received }
    ]
  }))
}

/** Time by reason, as the chart shows it. */
export function timelineTable ({ timeline: { bucketMs, buckets }, reasons }: Section, path: string): Html {
  const used = reportedReasons.filter(reason => reasons[reason] !== undefined)
  const rows = buckets.map((bucket, index) => [
    timeText(bucket.time, bucketMs),
    ...used.map(reason => bucket.reasons[reason] === undefined ? undefined : countCell(bucket.reasons[reason], `${path}.timeline.buckets.${index}.reasons.${reason}`))
  ])
  return htmlTable(['From (UTC)', ...used], rows)
}

/** For every limit that the records tell enough of: the value that would have been enough, or that the reads averaged. */
export function limitTable ({ limits }: RouteAdvice, path: string): Html {
  const rows = limits.flatMap((limit, index) => limit.enough.map((enough, at): Cell[] => {
    const place = `${path}.limits.${index}.enough.${at}`
    return [
      limit.option,
      { text: `${enough.share * 100}%`, path: `${place}.share`, value: enough.share },
      { text: enoughText(limit.kind, enough.limit), path: `${place}.limit`, value: enough.limit },
      enough.longestMs === null ? undefined : { text: durationText(enough.longestMs), path: `${place}.longestMs`, value: enough.longestMs }
    ]
  }))
  return rows.length === 0 ? html`` : htmlTable(['Option', 'Share', 'Enough, or averaged at least', 'Longest read held'], rows)
}

function enoughText (kind: LimitAdvice['kind'], limit: number): string {
  if (limit === 0) return kind === 'rate' ? 'only false' : 'only 0'
  if (kind === 'rate') return rateText(limit)
  return kind === 'size' ? bytesText(limit) : durationText(limit)
}

function nameHeads ({ route, reason, client, hour }: GroupRow): string[] {
  const heads: [string, string | undefined][] = [['Route', route], ['Reason', reason], ['Client', client], ['Hour (UTC)', hour]]
  return heads.filter(([, value]) => value !== undefined).map(([head]) => head)
}

function nameCells ({ route, reason, client, hour }: GroupRow): Cell[] {
  return [route, reason, client, hour === undefined || hour.startsWith('(') ? hour : timeText(hour)].filter(value => value !== undefined)
}

function measureCells (measures: Measures & Pick<GroupRow, 'atMost'>, path: string): Cell[] {
  const { count, share, receivedShare, elapsed, rate, received } = measures
  return [
    { text: atLeastText(measures), path: `${path}.count`, value: count },
    { text: percentText(share), path: `${path}.share`, value: share },
    ...receivedShare === null ? [undefined, undefined] : spreadCells(receivedShare, `${path}.receivedShare`, percentText),
    ...spreadCells(elapsed, `${path}.elapsed`, durationText),
    ...spreadCells(rate, `${path}.rate`, rateText),
    { text: bytesText(received), path: `${path}.received`, value: received }
  ]
}

function spreadCells ({ median, p95 }: Spread, path: string, text: (value: number) => string): Cell[] {
  return [{ text: text(median), path: `${path}.median`, value: median }, { text: text(p95), path: `${path}.p95`, value: p95 }]
}

function countCell (count: number, path: string): Cell {
  return { text: countText(count), path, value: count }
}
