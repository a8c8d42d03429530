import type { LoggedAbort } from './logged-abort.js'
import { binOf, QuantileSketch } from './quantile-sketch.js'
import type { LimitKind } from './reasons.js'

/** The reads of a route that one limit cut, and what of them tells which limit would have been enough. */
export class LimitTally {
  count = 0
  silent = 0
  moving = 0
  /** Of the moving ones (for a size, of all), those that declared a length. */
  declared = 0
  lowest = Infinity
  highest = -Infinity
  /** Milliseconds the read would have taken at the rate it had. */
  readonly needed = new QuantileSketch()
  readonly rates = new QuantileSketch()
  readonly sizes = new QuantileSketch()
  readonly #kind: LimitKind
  /** By bin of `rates`: the longest `needed`. */
  readonly #longest = new Map<number, number>()

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
    if (this.#kind === 'size') this.#addSize(expected)
    else if (moves) this.#addMoving(rate, expected === undefined || expected < received ? undefined : elapsed * expected / received)
  }

  merge (other: LimitTally): void {
    this.count += other.count
    this.silent += other.silent
    this.moving += other.moving
    this.declared += other.declared
    this.lowest = Math.min(this.lowest, other.lowest)
    this.highest = Math.max(this.highest, other.highest)
    this.needed.merge(other.needed)
    this.rates.merge(other.rates)
    this.sizes.merge(other.sizes)
    for (const [bin, longest] of other.#longest) this.#keepLongest(bin, longest)
  }

  /** The longest that one of the moving reads at this rate or a higher one would have taken. */
  longestFrom (rate: number): number | undefined {
    let longest: number | undefined
    for (const [bin, needed] of this.#longest) {
      if (bin >= binOf(rate)) longest = Math.max(longest ?? 0, needed)
    }
    return longest
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
    this.#keepLongest(binOf(rate), needed)
  }

  #keepLongest (bin: number, needed: number): void {
    this.#longest.set(bin, Math.max(this.#longest.get(bin) ?? 0, needed))
  }
}

/** Slow, not stuck: something came, and the last of it in the last quarter of the read's time. */
function isMoving ({ received, idle, elapsed }: LoggedAbort): boolean {
  return received > 0 && elapsed > 0 && idle <= elapsed / 4
}
