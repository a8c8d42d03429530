import type { LoggedAbort } from '../input/logged-abort.js'
import { binOf, QuantileSketch } from './quantile-sketch.js'
import type { LimitKind } from '../reasons.js'

/** The reads of a route that one limit cut, with the facts that tell which limit would have been enough. */
export class LimitTally {
  count = 0
  silent = 0
  moving = 0
  /** Moving reads that a minimum rate cut although their average is not below it. */
  burst = 0
  /** Of the reads that tell something (moving ones without a burst; for a size, all), those that declared a length. */
  declared = 0
  lowest = Infinity
  highest = -Infinity
  /** Milliseconds that each read would have taken to its end, at the rate that it had. */
  readonly needed = new QuantileSketch()
  readonly rates = new QuantileSketch()
  readonly sizes = new QuantileSketch()
  readonly #kind: LimitKind
  /** By bin of `rates`: how many `needed`, and the longest of them. */
  readonly #longest = new Map<number, { readonly count: number, readonly ms: number }>()

  constructor (kind: LimitKind) {
    this.#kind = kind
  }

  add (abort: LoggedAbort): void {
    const { received, expected, limit, elapsed, rate } = abort
    this.count++
    if (received === 0) this.silent++
    if (limit !== undefined) {
      this.lowest = Math.min(this.lowest, limit)
      this.highest = Math.max(this.highest, limit)
    }
    const moves = isMoving(abort)
    if (moves) this.moving++
    // A fast start raises the average, but the token bucket saves up no more than `gracePeriod`: the average tells nothing then.
    const burst = moves && this.#kind === 'rate' && limit !== undefined && rate >= limit
    if (burst) this.burst++
    if (this.#kind === 'size') this.#addSize(expected)
    else if (moves && !burst) this.#addMoving(rate, expected === undefined || expected < received ? undefined : elapsed * expected / received)
  }

  merge (other: LimitTally): void {
    this.count += other.count
    this.silent += other.silent
    this.moving += other.moving
    this.burst += other.burst
    this.declared += other.declared
    this.lowest = Math.min(this.lowest, other.lowest)
    this.highest = Math.max(this.highest, other.highest)
    this.needed.merge(other.needed)
    this.rates.merge(other.rates)
    this.sizes.merge(other.sizes)
    for (const [bin, { count, ms }] of other.#longest) this.#keepLongest(bin, count, ms)
  }

  /** Of the moving reads at this rate or a higher one that declared a length: their number, and the longest time needed. */
  longestFrom (rate: number): { count: number, ms: number } {
    const found = { count: 0, ms: 0 }
    for (const [bin, { count, ms }] of this.#longest) {
      if (bin < binOf(rate)) continue
      found.count += count
      found.ms = Math.max(found.ms, ms)
    }
    return found
  }

  #addSize (expected: number | undefined): void {
    if (expected === undefined) return
    this.declared++
    this.sizes.add(expected)
  }

  #addMoving (rate: number, needed: number | undefined): void {
    this.rates.add(rate)
    if (needed === undefined) return
    this.declared++
    this.needed.add(needed)
    this.#keepLongest(binOf(rate), 1, needed)
  }

  #keepLongest (bin: number, more: number, needed: number): void {
    const { count, ms } = this.#longest.get(bin) ?? { count: 0, ms: 0 }
    this.#longest.set(bin, { count: count + more, ms: Math.max(ms, needed) })
  }
}

/** A moving read is slow, but not stuck: its last byte came in the last quarter of its time. */
function isMoving ({ received, idle, elapsed }: LoggedAbort): boolean {
  return received > 0 && elapsed > 0 && idle <= elapsed / 4
}
