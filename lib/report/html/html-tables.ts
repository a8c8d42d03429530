import { amountText, atLeastText, bytesText, countText, durationText, percentText, rateText, timeText } from '../words/amount-text.js'
import { groupNotes } from '../words/group-notes.js'
import { html, type Html } from './html.js'
import { htmlTable, type Cell } from './html-table.js'
import { blameName, blames, reportedReasons } from '../reasons.js'
import type { GroupRow, LimitAdvice, Measures, RouteAdvice, Section, Spread } from '../report.js'

const mostRows = 200
const measureHeads = ['Reads', 'Share', 'Per hour', 'Received, median', 'Received, p95', 'Elapsed, median', 'Elapsed, p95', 'Rate, median', 'Rate, p95', 'Bytes in all']

/** The groups, the busiest 200 of them. */
export function groupTable (section: Section, path: string): Html {
  const { groups, otherGroups, groupSpan } = section
  const indexed = groups.map((group, index) => ({ group, index }))
  const shown = new Set(indexed.length > mostRows ? [...indexed].sort((a, b) => b.group.count - a.group.count).slice(0, mostRows) : indexed)
  const rows = indexed.filter(row => shown.has(row)).map(({ group, index }) => [...nameCells(group), ...measureCells(group, `${path}.groups.${index}`), ...requestCells(section, group.route, path)])
  const names = groups[0] === undefined ? [] : nameHeads(groups[0])
  if (otherGroups !== null) rows.push([...names.map((_, index) => index === 0 ? 'all others' : ''), ...measureCells({ ...otherGroups, atMost: otherGroups.count }, `${path}.otherGroups`), ...requestCells(section, undefined, path)])
  const omitted = groups.length - shown.size
  return html`${htmlTable([...names, ...measureHeads, ...tellsRequests(section) ? ['Requests of the route'] : []], rows)}${omitted === 0 ? '' : html`<p class="note">and ${countText(omitted)} rows with fewer reads, which --json has</p>`}${groupNotes(groups, groupSpan).map(note => html`<p class="note">${note}</p>`)}`
}

/** Whether the log tells how many requests a route had. */
function tellsRequests ({ groups, routes }: Section): boolean {
  return groups[0]?.route !== undefined && routes.some(({ requests }) => requests !== null)
}

function requestCells (section: Section, route: string | undefined, path: string): Cell[] {
  if (!tellsRequests(section)) return []
  const index = section.routes.findIndex(row => row.route === route)
  const requests = section.routes[index]?.requests ?? undefined
  return [requests === undefined ? undefined : { text: atLeastText(requests), path: `${path}.routes.${index}.requests.count`, value: requests.count }]
}

/** Networks of IPv6, of which one subscriber has a whole one. */
export function networkTable ({ networks }: Section, path: string): Html {
  return htmlTable(['Network', 'Addresses', 'Reads', ...blames.map(blameName), 'Bytes received'], networks.map((row, index) => {
    const at = `${path}.networks.${index}`
    return [
      row.client,
      countCell(row.addresses, `${at}.addresses`),
      { text: atLeastText(row), path: `${at}.count`, value: row.count },
      ...blames.map(blame => countCell(row.blame[blame], `${at}.blame.${blame}`)),
      { text: bytesText(row.received), path: `${at}.received`, value: row.received }
    ]
  }))
}

/** Clients that left before they had the response: how long the handler had worked, or the response been on its way. */
export function leftTable ({ left }: Section, path: string): Html {
  return htmlTable(['Route', 'Left', 'Reads', 'Worked or sent for, median', 'p95', 'max', 'Taken of it, median', 'Taken, p95'], left.map((row, index) => {
    const at = `${path}.left.${index}`
    return [
      row.route,
      { handler: 'while the handler worked', response: 'before it had the response' }[row.phase],
      { text: atLeastText(row), path: `${at}.count`, value: row.count },
      ...spreadCells(row.elapsed, `${at}.elapsed`, durationText),
      { text: durationText(row.elapsed.max), path: `${at}.elapsed.max`, value: row.elapsed.max },
      ...row.sent === null ? [undefined, undefined] : spreadCells(row.sent, `${at}.sent`, bytesText)
    ]
  }))
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
  const rows = limits.flatMap((limit, index) => (limit.verdict.action === 'attack' ? [] : limit.enough).map((enough, at): Cell[] => {
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
  const { count, share, perHour, receivedShare, elapsed, rate, received } = measures
  return [
    { text: atLeastText(measures), path: `${path}.count`, value: count },
    { text: percentText(share), path: `${path}.share`, value: share },
    perHour === null ? undefined : { text: amountText(perHour), path: `${path}.perHour`, value: perHour },
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
