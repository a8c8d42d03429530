import type { Blame } from '../../record/errors.js'
import { advise } from './advice.js'
import { Busiest } from './busiest.js'
import { ClientTally } from './client-tally.js'
import { groupKey, groupName, groupOrder } from './group-key.js'
import type { LoggedAbort } from '../input/logged-abort.js'
import { isoTime, MeasureTally } from './measure-tally.js'
import { RateHistogram } from './rate-histogram.js'
import { countsByReason, type ReportedReason } from '../reasons.js'
import type { GroupBy, GroupRow, Section, Span } from '../report.js'
import { RouteTally } from './route-tally.js'
import { ShareHistogram } from './share-histogram.js'
import { TimeBuckets } from './time-buckets.js'
import { TimeGroups } from './time-groups.js'

const keptGroups = 512
const keptRoutes = 512
const keptClients = 2048
const shownRoutes = 15
const shownClients = 20

type Groups = Pick<Busiest<MeasureTally>, 'of' | 'ranked' | 'others'> & { readonly span?: Span }

/** Adds up the records of one section, in memory that does not grow with their number. */
export class SectionTally {
  readonly #groupBy: GroupBy
  readonly #groups: Groups
  readonly #routes = new Busiest(keptRoutes, () => new RouteTally())
  readonly #clients = new Busiest(keptClients, () => new ClientTally())
  readonly #reasons = new Map<ReportedReason, number>()
  readonly #blame: Record<Blame, number> = { client_slow: 0, client_gone: 0, client_invalid: 0 }
  readonly #shares = new ShareHistogram()
  readonly #rates = new RateHistogram()
  readonly #buckets = new TimeBuckets()
  #count = 0
  #untimed = 0
  #first = Infinity
  #last = -Infinity

  constructor (groupBy: GroupBy) {
    this.#groupBy = groupBy
    this.#groups = groupBy === 'hour' ? new TimeGroups() : new Busiest(keptGroups, () => new MeasureTally())
  }

  add (abort: LoggedAbort): void {
    this.#count++
    this.#blame[abort.blame]++
    this.#reasons.set(abort.reason, (this.#reasons.get(abort.reason) ?? 0) + 1)
    this.#groups.of(groupKey(this.#groupBy, abort)).add(abort)
    this.#routes.of(abort.route).add(abort)
    this.#clients.of(abort.client).add(abort)
    this.#shares.add(abort)
    this.#rates.add(abort)
    if (abort.time === undefined) {
      this.#untimed++
      return
    }
    this.#first = Math.min(this.#first, abort.time)
    this.#last = Math.max(this.#last, abort.time)
    this.#buckets.add(abort.time, abort.reason)
  }

  section (): Section {
    const routes = this.#routes.ranked()
    return {
      count: this.#count,
      first: isoTime(this.#first),
      last: isoTime(this.#last),
      untimed: this.#untimed,
      blame: { ...this.#blame },
      reasons: countsByReason(this.#reasons),
      groups: this.#groupRows(),
      groupSpan: this.#groups.span ?? null,
      otherGroups: this.#groups.others?.measures(this.#count) ?? null,
      timeline: this.#buckets.timeline(),
      routes: routes.slice(0, shownRoutes).map(({ key, tally, missed }) => ({ route: key, count: tally.count, atMost: tally.count + missed, reasons: countsByReason(tally.reasons) })),
      receivedShare: this.#shares.distribution(),
      rates: this.#rates.distribution(),
      clients: this.#clients.ranked().slice(0, shownClients).map(({ key, tally, missed }) => ({
        client: key, count: tally.count, atMost: tally.count + missed, received: tally.received, blame: { ...tally.blame }
      })),
      advice: routes.map(({ key, tally, missed }) => advise(key, tally, missed)).filter(advice => advice !== undefined)
    }
  }

  #groupRows (): GroupRow[] {
    return this.#groups.ranked()
      .map(({ key, tally, missed }) => ({ ...groupName(this.#groupBy, key), atMost: tally.count + missed, ...tally.measures(this.#count) }))
      .sort(groupOrder(this.#groupBy, this.#routes.ranked()))
  }
}
