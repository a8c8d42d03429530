import type { LoggedAbort } from '../input/logged-abort.js'
import { reasonOf } from '../reasons.js'
import type { GroupBy, GroupRow } from '../report.js'

/** Stands between route and reason. `plainText` leaves no such character in a route. */
const separator = '\n'

export function groupKey (groupBy: GroupBy, { route, reason, client, time }: LoggedAbort): string {
  switch (groupBy) {
    case 'route': return route
    case 'reason': return reason
    case 'client': return client
    case 'hour': return time === undefined ? '(no time)' : new Date(time).toISOString()
    case 'route-and-reason': return route + separator + reason
  }
}

export function groupName (groupBy: GroupBy, key: string): Pick<GroupRow, 'route' | 'reason' | 'client' | 'hour'> {
  switch (groupBy) {
    case 'route': return { route: key }
    case 'reason': return { reason: reasonOf(key) }
    case 'client': return { client: key }
    case 'hour': return { hour: key }
    case 'route-and-reason': {
      const [route = '', reason] = key.split(separator)
      return { route, reason: reasonOf(reason) }
    }
  }
}

/** Hours are ordered by time, all other rows busiest first. The reasons of a route stay together. */
export function groupOrder (groupBy: GroupBy, routes: readonly { readonly key: string }[]): (a: GroupRow, b: GroupRow) => number {
  if (groupBy === 'hour') return (a, b) => (a.hour ?? '') < (b.hour ?? '') ? -1 : 1
  if (groupBy !== 'route-and-reason') return (a, b) => b.count - a.count
  const rank = new Map(routes.map(({ key }, index) => [key, index]))
  const rankOf = (row: GroupRow) => rank.get(row.route ?? '') ?? routes.length
  return (a, b) => rankOf(a) - rankOf(b) || (a.route === b.route ? b.count - a.count : (a.route ?? '') < (b.route ?? '') ? -1 : 1)
}
