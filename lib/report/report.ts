import type { Blame } from '../record/errors.js'
import type { LimitKind, ReportedReason } from './reasons.js'

/** How rows are formed; `route-and-reason` is the default. */
export type GroupBy = 'route-and-reason' | 'route' | 'reason' | 'client' | 'hour'

/** What a row by `hour` spans. */
export type Span = 'hour' | 'day' | 'month' | 'year' | 'millennium'

/**
 * What `--json` prints. Times are ISO 8601 in UTC or milliseconds, sizes bytes, rates bytes per second, shares 0 to 1.
 * `median`, `p95` and the like are within 1 % of the exact value of the reads that are counted. Counts and sums are exact,
 * with one exception, so that memory does not grow with what clients choose: of more than 1024 groups or routes, or 4096
 * clients the quieter ones are put together, and one that comes back is counted anew. Then `atMost` is more than `count`:
 * the true count is between the two, and the row's other numbers are of the reads that were counted.
 */
export interface Report {
  readonly input: InputCounts
  readonly filter: { readonly since: string | null, readonly until: string | null, readonly route: string | null }
  readonly groupBy: GroupBy
  /** Reads that failed. */
  readonly failed: Section
  /** Reads recorded in `mode: 'observe'`, which the guard did not end. */
  readonly observed: Section
}

export interface InputCounts {
  readonly files: readonly string[]
  /** Lines that are not blank. */
  readonly lines: number
  /** Passed over because they are no JSON object. */
  readonly notJson: number
  /** Passed over because they are longer than 1 MiB. */
  readonly tooLong: number
  /** Passed over because they contain a record, but not as the guard logs it: somebody may have sent it to be logged. */
  readonly doubtful: number
  readonly records: number
  /** Records that `--since`, `--until` or `--route` left out. */
  readonly filteredOut: number
  /** Records that the guard's `logLimit` kept out of the log in that time, of any route. */
  readonly suppressed: number
  /** Files that break off or are damaged: what was before that is in the report. */
  readonly damaged: readonly string[]
}

export interface Section {
  readonly count: number
  readonly first: string | null
  readonly last: string | null
  /** Reads of which nothing says when: they are not in `timeline`. */
  readonly untimed: number
  readonly blame: Readonly<Record<Blame, number>>
  readonly reasons: Partial<Readonly<Record<ReportedReason, number>>>
  readonly groups: readonly GroupRow[]
  /** Days or more where more than 5 000 hours have reads; `null` where rows are not by hour. */
  readonly groupSpan: Span | null
  /** What was put together because there are too many groups to keep apart. */
  readonly otherGroups: Measures | null
  readonly timeline: Timeline
  /** The busiest routes. */
  readonly routes: readonly RouteRow[]
  readonly receivedShare: ShareDistribution
  readonly rates: RateDistribution
  /** The busiest clients. */
  readonly clients: readonly ClientRow[]
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
  /** The start of the hour, or of what `groupSpan` says. */
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
  readonly reasons: Partial<Readonly<Record<ReportedReason, number>>>
}

interface ClientRow {
  readonly client: string
  readonly count: number
  readonly atMost: number
  readonly received: number
  readonly blame: Readonly<Record<Blame, number>>
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
  readonly limits: { readonly bytesPerSecond: number, readonly count: number }[]
}

export interface RouteAdvice {
  readonly route: string
  readonly count: number
  readonly atMost: number
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
   * Moving reads that a minimum rate cut although their average is not below it: they sent fast first, and their average
   * tells nothing.
   */
  readonly burst: number
  /** Of the reads that tell something (moving ones without a burst; for a size, all), those that declared a length. */
  readonly declared: number
  /**
   * Which limit would have been enough for this share of them; of a rate, what they averaged at least, and a read whose
   * pace is uneven needs a lower one. Where no limit of the option's range is enough it is 0. `longestMs`: how long the longest of them that declared a length would have held a
   * connection. Empty, or `null`, where too few records, or records of this kind, can tell.
   */
  readonly enough: { readonly share: number, readonly limit: number, readonly longestMs: number | null }[]
}
