import { countsByReason, type ReportedReason } from '../reasons.js'
import type { Timeline } from '../report.js'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour
/** Each is a multiple of the one before, so that buckets can be merged. */
const widths = [second, 5 * second, 15 * second, minute, 5 * minute, 15 * minute, hour, 3 * hour, 6 * hour, 12 * hour, day, 7 * day, 28 * day, 364 * day, 3640 * day, 36_400 * day, 364_000 * day]
const mostKept = 1024
const mostShown = 96

/** Counts over time in bounded memory, whatever the span and the order of the records. */
export class TimeBuckets {
  #level = 0
  #buckets = new Map<number, Map<ReportedReason, number>>()

  add (time: number, reason: ReportedReason): void {
    this.#count(time, reason, 1)
    if (this.#buckets.size > mostKept) this.#coarsen()
  }

  /** Buckets without a gap, as narrow as possible with at most 96 of them. */
  timeline (): Timeline {
    while (this.#span() / this.#width() >= mostShown && this.#level < widths.length - 1) this.#coarsen()
    const width = this.#width()
    const starts = [...this.#buckets.keys()].sort((a, b) => a - b)
    const first = starts[0]
    const last = starts.at(-1)
    const buckets: Timeline['buckets'] = []
    if (first === undefined || last === undefined) return { bucketMs: width, buckets }
    for (let start = first; start <= last; start += width) {
      buckets.push({ time: new Date(start).toISOString(), reasons: countsByReason(this.#buckets.get(start) ?? new Map()) })
    }
    return { bucketMs: width, buckets }
  }

  #width (): number {
    return widths[this.#level] ?? second
  }

  #span (): number {
    let first = Infinity
    let last = -Infinity
    for (const start of this.#buckets.keys()) {
      first = Math.min(first, start)
      last = Math.max(last, start)
    }
    return Math.max(0, last - first)
  }

  #count (time: number, reason: ReportedReason, count: number): void {
    const start = time - time % this.#width()
    const counts = this.#buckets.get(start) ?? new Map<ReportedReason, number>()
    this.#buckets.set(start, counts.set(reason, (counts.get(reason) ?? 0) + count))
  }

  #coarsen (): void {
    const fine = this.#buckets
    this.#buckets = new Map()
    this.#level++
    for (const [start, counts] of fine) {
      for (const [reason, count] of counts) this.#count(start, reason, count)
    }
  }
}
