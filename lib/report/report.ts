import type { Blame } from '../record/errors.js'
import type { LimitKind, ReportedReason } from './reasons.js'

/** The two sections of a report: reads that were cut, and reads that would have been. */
export type SectionKind = 'failed' | 'observed'

/** How rows are formed; `route-and-reason` is the default. */
export type GroupBy = 'route-and-reason' | 'route' | 'reason' | 'client' | 'hour'

/** The time that a row by `hour` spans. */
export type Span = 'hour' | 'day' | 'month' | 'year' | 'millennium'

/**
 * What `--json` prints. Times are ISO 8601 in UTC or milliseconds, sizes bytes, rates bytes per second, shares 0 to 1.
 * `median`, `p95` and the like are within 1 % of the exact value. Counts and sums are exact, with one exception: clients
 * choose routes and addresses, and memory must not grow with them. Past 1024 groups or routes, or 4096 clients, the quieter
 * ones are merged into one row, and one that comes back is counted anew. Then `atMost` is more than `count`: the true count
 * is between the two, and the row's other numbers are of the reads that were counted.
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
  /** Passed over because they contain a record, but not where the guard logs it: a client may have sent it to be logged. */
  readonly doubtful: number
  readonly records: number
  /** Records that `--since`, `--until` or `--route` left out. */
  readonly filteredOut: number
  /** Records that the guard's `logLimit` kept out of the log in that time, of any route. */
  readonly suppressed: number
  /** Files that break off or are damaged. The report has their lines up to there. */
  readonly damaged: readonly string[]
}

export interface Section {
  readonly count: number
  readonly first: string | null
  readonly last: string | null
  /** Reads without a time. They are not in `timeline`. */
  readonly untimed: number
  readonly blame: Readonly<Record<Blame, number>>
  readonly reasons: Partial<Readonly<Record<ReportedReason, number>>>
  readonly groups: readonly GroupRow[]
  /** Days or more where more than 5 000 hours have reads; `null` where rows are not by hour. */
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
}
