import { amountText, atLeastText, bytesText, countText, durationText, percentText, rateText, timeText } from '../words/amount-text.js'
import type { Paint } from './paint.js'
import { reasonTable } from '../reasons.js'
import type { GroupRow, Measures, Section } from '../report.js'
import { groupNotes } from '../words/group-notes.js'
import { ofRequestsText } from '../words/overview-text.js'
import { textTable, type Column, type Row } from './text-table.js'
import { wrapText } from './wrap-text.js'

const mostRows = 50

const columns: readonly Column[] = [
  { heads: ['', 'reads'] },
  { heads: ['', 'share'] },
  { heads: ['per', 'hour'], rank: 2 },
  { heads: ['received', 'median'] },
  { heads: ['', 'p95'], rank: 1 },
  { heads: ['elapsed', 'median'] },
  { heads: ['', 'p95'] },
  { heads: ['', 'max'], rank: 3 },
  { heads: ['rate', 'median'] },
  { heads: ['', 'p95'] },
  { heads: ['bytes', 'in all'], rank: 4 },
  { heads: ['', 'last (UTC)'], rank: 5 }
]

/** The groups, the busiest 50 of them. */
export function groupTable ({ groups, otherGroups, groupSpan, routes }: Section, width: number, paint: Paint): string[] {
  const shown = new Set(groups.length > mostRows ? [...groups].sort((a, b) => b.count - a.count).slice(0, mostRows) : groups)
  const rows: Row[] = []
  let heading: string | undefined
  for (const group of groups.filter(group => shown.has(group))) {
    if (group.reason !== undefined && group.route !== undefined && group.route !== heading) {
      heading = group.route
      rows.push({ label: heading, cells: [], paint: paint.strong, ...noteOf(routes.find(({ route }) => route === heading)) })
    }
    rows.push(row(group, paint))
  }
  if (otherGroups !== null) rows.push({ label: 'all others', cells: cells({ ...otherGroups, atMost: otherGroups.count }) })
  const omitted = groups.length - shown.size
  return [
    ...textTable(columns, rows, width, paint),
    ...omitted === 0 ? [] : [paint.faint(`and ${countText(omitted)} rows with fewer reads, which --json has`)],
    ...groupNotes(groups, groupSpan).flatMap(note => wrapText(note, width, '')).map(paint.faint)
  ]
}

function row (group: GroupRow, paint: Paint): Row {
  const { route, reason, client, hour } = group
  if (reason === undefined) return { label: route ?? client ?? hourLabel(hour ?? ''), cells: cells(group) }
  const { blame } = reasonTable[reason]
  return { label: route === undefined ? reason : `  ${reason}`, cells: cells(group), paint: text => paint.by(blame, text) }
}

/** How many requests of the route there were, beside how many reads failed. */
function noteOf (route: Section['routes'][number] | undefined): Pick<Row, 'note'> {
  const note = route === undefined ? '' : ofRequestsText(route.count, route.requests)
  return note === '' ? {} : { note }
}

function hourLabel (hour: string): string {
  return hour.startsWith('(') ? hour : timeText(hour)
}

function cells ({ share, perHour, receivedShare, elapsed, rate, received, last, ...counts }: Measures & Pick<GroupRow, 'atMost'>): string[] {
  return [
    atLeastText(counts),
    percentText(share),
    perHour === null ? '–' : amountText(perHour),
    receivedShare === null ? '–' : percentText(receivedShare.median),
    receivedShare === null ? '–' : percentText(receivedShare.p95),
    durationText(elapsed.median),
    durationText(elapsed.p95),
    durationText(elapsed.max),
    rateText(rate.median),
    rateText(rate.p95),
    bytesText(received),
    last === null ? '–' : timeText(last)
  ]
}
