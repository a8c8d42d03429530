import type { Blame } from '../../record/errors.js'
import { advise, requestCount } from './advice.js'
import { Busiest } from './busiest.js'
import { ClientTally, NetworkTally } from './client-tally.js'
import { groupKey, groupName, groupOrder } from './group-key.js'
import type { LoggedAbort } from '../input/logged-abort.js'
import { LeftTally } from './left-tally.js'
import { isoTime, MeasureTally, perHour, spread } from './measure-tally.js'
import { RateHistogram } from './rate-histogram.js'
import { countsByReason, phases, type ReportedPhase, type ReportedReason } from '../reasons.js'
import type { GroupBy, GroupRow, Section, Span } from '../report.js'
import type { RequestTally } from './request-tally.js'
import { roundAmount } from './rounding.js'
import { RouteTally } from './route-tally.js'
import { ShareHistogram } from './share-histogram.js'
import { TimeBuckets } from './time-buckets.js'
import { TimeGroups } from './time-groups.js'

const keptGroups = 512
const keptRoutes = 512
const keptClients = 2048
const keptNetworks = 256
const shownRoutes = 15
const shownNetworks = 10
const shownLeft = 15
const shownClients = 20
const shortestSpanMs = 60_000

type Groups = Pick<Busiest<MeasureTally>, 'of' | 'ranked' | 'others'> & { readonly span?: Span }

/** Adds up the records of one section, in memory that does not grow with their number. */
export class SectionTally {
  readonly #groupBy: GroupBy
  readonly #groups: Groups
  readonly #routes = new Busiest(keptRoutes, () => new RouteTally())
  readonly #clients = new Busiest(keptClients, () => new ClientTally())
  /** IPv6 alone: of IPv4 a network is an address. */
  readonly #networks = new Busiest(keptNetworks, () => new NetworkTally())
  readonly #left = new Busiest(keptRoutes, () => new LeftTally())
  readonly #phases = new Map<ReportedPhase, number>()
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
    if (abort.network !== abort.client) this.#networks.of(abort.network).add(abort)
    this.#phases.set(abort.phase, (this.#phases.get(abort.phase) ?? 0) + 1)
    if (abort.blame === 'client_gone' && (abort.phase === 'handler' || abort.phase === 'response')) this.#left.of(leftKey(abort.phase, abort.route)).add(abort)
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

  get first (): number {
    return this.#first
  }

  get last (): number {
    return this.#last
  }

  /**
   * @param requests of the whole log
   * @param spanMs the time that the log spans
   */
  section (requests: RequestTally, spanMs: number): Section {
    const routes = this.#routes.ranked()
    const hours = hoursOf(spanMs)
    return {
      count: this.#count,
      first: isoTime(this.#first),
      last: isoTime(this.#last),
      untimed: this.#untimed,
      perHour: perHour(this.#count, hours),
      blame: { ...this.#blame },
      phases: this.#phaseCounts(),
      reasons: countsByReason(this.#reasons),
      groups: this.#groupRows(hours),
      groupSpan: this.#groups.span ?? null,
      otherGroups: this.#groups.others?.measures(this.#count, hours) ?? null,
      timeline: this.#buckets.timeline(),
      routes: routes.slice(0, shownRoutes).map(({ key, tally, missed }) => ({ route: key, count: tally.count, atMost: tally.count + missed, requests: requestCount(requests.of(key)), reasons: countsByReason(tally.reasons) })),
      receivedShare: this.#shares.distribution(),
      rates: this.#rates.distribution(),
      clients: this.#clients.ranked().slice(0, shownClients).map(({ key, tally, missed }) => ({
        client: key, count: tally.count, atMost: tally.count + missed, received: tally.received, blame: { ...tally.blame }
      })),
      networks: this.#networkRows(),
      left: this.#leftRows(),
      advice: routes.map(({ key, tally, missed }) => advise(key, tally, missed, { spanMs, requests: requests.of(key) })).filter(advice => advice !== undefined)
    }
  }

  #phaseCounts (): Section['phases'] {
    return Object.fromEntries(phases.flatMap(phase => this.#phases.has(phase) ? [[phase, this.#phases.get(phase)]] : []))
  }

  #networkRows (): Section['networks'] {
    return this.#networks.ranked()
      .map(({ key, tally, missed }) => ({ client: key, count: tally.count, atMost: tally.count + missed, received: tally.received, blame: { ...tally.blame }, addresses: tally.addresses.clients }))
      .filter(({ addresses }) => addresses > 1)
      .slice(0, shownNetworks)
  }

  #leftRows (): Section['left'] {
    return this.#left.ranked().slice(0, shownLeft).map(({ key, tally, missed }) => ({
      ...leftName(key),
      count: tally.count,
      atMost: tally.count + missed,
      elapsed: spread(tally.elapsed, roundAmount),
      sent: tally.sent.count === 0 ? null : spread(tally.sent, roundAmount)
    }))
  }

  #groupRows (hours: number | null): GroupRow[] {
    return this.#groups.ranked()
      .map(({ key, tally, missed }) => ({ ...groupName(this.#groupBy, key), atMost: tally.count + missed, ...tally.measures(this.#count, hours) }))
      .sort(groupOrder(this.#groupBy, this.#routes.ranked()))
  }
}

/** Phase first: a route may have any character. */
function leftKey (phase: 'handler' | 'response', route: string): string {
  return `${phase} ${route}`
}

function leftName (key: string): Pick<Section['left'][number], 'phase' | 'route'> {
  const at = key.indexOf(' ')
  return { phase: key.startsWith('handler') ? 'handler' : 'response', route: key.slice(at + 1) }
}

/** `null` where the time is too short to tell a rate. */
export function hoursOf (spanMs: number): number | null {
  return spanMs >= shortestSpanMs ? spanMs / 3_600_000 : null
}
