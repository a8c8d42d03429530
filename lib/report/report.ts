import type { Blame } from '../record/errors.js'
import type { LimitKind, ReportedPhase, ReportedReason } from './reasons.js'

/** The two sections of a report: reads that were cut, and reads that would have been. */
export type SectionKind = 'failed' | 'observed'

/** How rows are formed; `route-and-reason` is the default. */
export type GroupBy = 'route-and-reason' | 'route' | 'reason' | 'client' | 'hour'

/** The time that a row by `hour` spans. */
export type Span = 'hour' | 'day' | 'month' | 'year' | 'millennium'

/**
 * The output of `--json`. Times are ISO 8601 in UTC or milliseconds, sizes bytes, rates bytes per second, shares 0 to 1.
 * `median`, `p95` and the like are within 1 % of the exact value. Counts and sums are exact, with one exception: clients
 * choose routes and addresses, and memory must not grow with them. Past 1024 groups or routes, or 4096 clients, the quieter
 * ones are merged into one row, and one that comes back starts anew. Then `atMost` is more than `count`: the true count
 * is between the two, and the row's other numbers are those of the reads that were counted.
 */
export interface Report {
  readonly input: InputCounts
  readonly filter: { readonly since: string | null, readonly until: string | null, readonly route: string | null }
  readonly groupBy: GroupBy
  /** The time from the first to the last line that was counted, in hours; `null` where that is less than a minute. */
  readonly hours: number | null
  /** The requests that Fastify's "request completed" lines tell of; `null` where the log has none. */
  readonly requests: Requests | null
  /** Reads that failed. */
  readonly failed: Section
  /** Reads recorded in `mode: 'observe'`, which the guard did not end. */
  readonly observed: Section
}

interface Requests {
  readonly completed: number
  /** Completed requests, and reads that failed before there was a request. */
  readonly exchanges: number
  readonly perHour: number | null
  /** Reads that failed, of all exchanges; `null` where that would be more than all of them, as not every request is logged. */
  readonly failedShare: number | null
}

/** The requests of one route: completed ones, whose path matches it. `atMost` is more where some may be missing. */
export interface RouteRequestCount {
  readonly count: number
  readonly atMost: number
}

export interface InputCounts {
  readonly files: readonly string[]
  /** Lines that are not blank. The elements of a JSON array are counted as lines. */
  readonly lines: number
  /** Log lines by their wrapping. */
  readonly kinds: Readonly<Record<Wrapping, number>>
  /** Lines that are not log lines, by the reason for passing over them. */
  readonly passedOver: Readonly<Record<PassedOver, number>>
  /** Lines that are only a part of the log line after them. */
  readonly parts: number
  /** Lines that were passed over because their record is not where the guard logs it: a client may have sent it. */
  readonly doubtful: number
  readonly records: number
  /** Records that `--since`, `--until` or `--route` left out. */
  readonly filteredOut: number
  /** Records that the guard's `logLimit` kept out of the log in that time, of any route. */
  readonly suppressed: number
  /** Files that are truncated or damaged. The report has their lines up to that point. */
  readonly damaged: readonly string[]
}

/** The wrapping of a log line: none, that of a platform, or text in front of it. */
export type Wrapping = 'pino' | 'docker' | 'cri' | 'journald' | 'gcp' | 'wrapped' | 'prefixed'

/** Why a line is passed over: it has no JSON; its JSON is not a log line; its JSON is truncated; it is longer than 1 MiB. */
export type PassedOver = 'text' | 'json' | 'broken' | 'tooLong'

export interface Section {
  readonly count: number
  readonly first: string | null
  readonly last: string | null
  /** Reads without a time. They are not in `timeline`. */
  readonly untimed: number
  readonly perHour: number | null
  readonly blame: Readonly<Record<Blame, number>>
  readonly phases: Partial<Readonly<Record<ReportedPhase, number>>>
  readonly reasons: Partial<Readonly<Record<ReportedReason, number>>>
  readonly groups: readonly GroupRow[]
  /** Days or longer if more than 5 000 hours have reads; `null` if rows are not by hour. */
  readonly groupSpan: Span | null
  /** The groups that were merged into one row because there are too many to keep apart. */
  readonly otherGroups: Measures | null
  readonly timeline: Timeline
  /** The busiest routes. */
  readonly routes: readonly RouteRow[]
  readonly receivedShare: ShareDistribution
  readonly rates: RateDistribution
  /** The busiest clients. */
  readonly clients: readonly ClientRow[]
  /** The busiest /64 networks of IPv6, those with more than one address. */
  readonly networks: readonly NetworkRow[]
  /** Clients that left while the handler worked, or before they had the response, by route. */
  readonly left: readonly LeftRow[]
  readonly advice: readonly RouteAdvice[]
}

export interface Spread {
  readonly median: number
  readonly p95: number
  readonly max: number
}

export interface Measures {
  readonly count: number
  /** Of all records in this section. */
  readonly share: number
  readonly perHour: number | null
  /** Bytes of all reads of the group. */
  readonly received: number
  /** Received of declared, per read; `null` where no read declared a length. */
  readonly receivedShare: Spread | null
  /** Reads that declared a length, how many bytes these declared, and how many of those came. */
  readonly declared: { readonly count: number, readonly expected: number, readonly received: number }
  readonly elapsed: Spread
  readonly rate: Spread
  readonly first: string | null
  readonly last: string | null
}

export interface GroupRow extends Measures {
  readonly atMost: number
  readonly route?: string
  readonly reason?: ReportedReason
  readonly client?: string
  /** The start of the hour, or of the `groupSpan`. */
  readonly hour?: string
}

export interface Timeline {
  readonly bucketMs: number
  readonly buckets: { readonly time: string, readonly reasons: Partial<Readonly<Record<ReportedReason, number>>> }[]
}

interface RouteRow {
  readonly route: string
  readonly count: number
  readonly atMost: number
  /** `null` where the log tells of none. */
  readonly requests: RouteRequestCount | null
  readonly reasons: Partial<Readonly<Record<ReportedReason, number>>>
}

interface ClientRow {
  readonly client: string
  readonly count: number
  readonly atMost: number
  readonly received: number
  readonly blame: Readonly<Record<Blame, number>>
}

interface NetworkRow extends ClientRow {
  /** About how many addresses of the network there were; exact up to 128. */
  readonly addresses: number
}

interface LeftRow {
  readonly route: string
  readonly phase: 'handler' | 'response'
  readonly count: number
  readonly atMost: number
  /** In `handler` how long the handler had worked, in `response` how long the response had been on its way. */
  readonly elapsed: Spread
  /** Bytes of the response that had been taken; `null` where none had begun. */
  readonly sent: Spread | null
}

export interface ShareDistribution {
  /** Reads that declared a length, and those that did not (which are in no bin). */
  readonly declared: number
  readonly undeclared: number
  /** `from` < share ≤ `to`, both in percent; the first bin is exactly 0, the last one, 100, is `to: null`. */
  readonly bins: { readonly from: number, readonly to: number | null, readonly count: number }[]
}

export interface RateDistribution {
  /** Reads of slow clients that had sent something; bytes per second, `from` ≤ rate < `to`. */
  readonly bins: { readonly from: number, readonly to: number, readonly tooSlow: number, readonly other: number }[]
  /** The minimum rates that were passed, the most frequent first. */
  readonly limits: readonly { readonly option: string, readonly bytesPerSecond: number, readonly count: number }[]
}

export interface RouteAdvice {
  readonly route: string
  readonly count: number
  readonly atMost: number
  readonly requests: RouteRequestCount | null
  /** Reads that a limit cut. */
  readonly cut: number
  /** How much of the declared length those had received. */
  readonly cutReceivedShare: { readonly count: number, readonly median: number, readonly p95: number } | null
  readonly limits: readonly LimitAdvice[]
}

export interface LimitAdvice {
  readonly reason: ReportedReason
  readonly option: string
  readonly kind: LimitKind
  readonly count: number
  /** The limits in force, in the option's unit (`bodyLimit` may be the guard's or Fastify's own); `null` where no record says. */
  readonly limit: { readonly min: number, readonly max: number } | null
  /** Reads of which nothing had arrived. */
  readonly silent: number
  /** Reads whose last byte came in the last quarter of their time. */
  readonly moving: number
  /**
   * Moving reads that a minimum rate cut although their average is not below it. They sent fast at first, so their average
   * tells nothing about a better limit.
   */
  readonly burst: number
  /** Of the reads that tell something (moving ones without a burst; for a size, all), those that declared a length. */
  readonly declared: number
  /**
   * The limit that would have been enough for this share of them. For a rate it is the average that they reached at least; a
   * read whose pace is uneven needs a lower one. 0 stands for a limit outside of the option's range. `longestMs` is how long
   * the longest of them that declared a length would have held a connection. Empty, or `null`, where too few records tell.
   */
  readonly enough: { readonly share: number, readonly limit: number, readonly longestMs: number | null }[]
  readonly verdict: Verdict
}

/**
 * The reads that a limit cut, as a population: `honest_clients` are many, still moving and more than half done (of a size: asked
 * for not much more); `slow_customer`, `broken_client` and `one_client` are one; an `outage` is a quarter of an hour;
 * `slowloris` (heads), `slow_post` (bodies) and `slow_reader` (responses) are attacks; of `unclear` nothing can be told.
 */
export type Population = 'honest_clients' | 'slow_customer' | 'broken_client' | 'one_client' | 'outage' | 'slowloris' | 'slow_post' | 'slow_reader' | 'unclear'

/** The verdict on a limit. The rules are in docs/report-verdicts.md. */
export interface Verdict {
  /** `loosen`: let more through (a higher time or size, a lower rate). `attack`: the limit did its work. */
  readonly action: 'keep' | 'loosen' | 'tighten' | 'attack'
  readonly population: Population
  /** The value to set, in the option's unit. */
  readonly to: number | null
  /** Reads that look honest: still moving and more than half done. */
  readonly honest: number
  readonly honestClients: number
  /** Clients of all these reads, IPv6 by /64; exact up to 128. */
  readonly clients: number
  readonly busiestShare: number
  /** Reads that had hardly begun: less than 2 % of the length. */
  readonly hardlyBegun: number
  /** Reads that got equally far in a body of the same length. */
  readonly alike: number
  /** Reads at a time, on average; `null` where the records have no time. */
  readonly atOnce: number | null
  /** The quarter of an hour with most of the reads; `null` where there is none. */
  readonly window: { readonly from: string, readonly to: string, readonly share: number } | null
  /** What 99.9 % of the requests of the route took that succeeded, and the limit that is twice that, where that leaves room. */
  readonly succeeded: { readonly count: number, readonly ms: number, readonly limit: number } | null
  readonly lookAt: readonly { readonly client: string, readonly count: number }[]
}
