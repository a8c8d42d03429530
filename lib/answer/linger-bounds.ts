import type { GuardContext } from '../guard.js'
import type { LingerOptions } from '../limits/options.js'

/** Timers fire up to this many milliseconds late on an idle loop. */
const TIMER_SLACK_MS = 10

/** The default of `linger`, in bytes. */
const DEFAULT_BYTES = 67_108_864

/** How many bytes are discarded while an answer is still owed: as many as lingering allows after it, or its default if lingering is off. */
export function mostDiscarded (linger: LingerOptions | false): number {
  return linger === false ? DEFAULT_BYTES : linger.bytes
}

/** The bounds of lingering, in bytes and in time. */
export class LingerBounds {
  readonly #bytes: number
  readonly #until: number
  readonly #nextLook: number

  /** @param read bytes that had been read before */
  constructor (guard: GuardContext, { timeout, bytes }: LingerOptions, read: number) {
    guard.lingered++
    this.#bytes = read + bytes
    this.#until = performance.now() + timeout
    this.#nextLook = guard.options.resolution + TIMER_SLACK_MS
  }

  /** Checked as bytes arrive: a fast client gets no further than one read past the bound, even if the next look is late. */
  reached (read: number, ahead = 0): boolean {
    return read >= this.#bytes || performance.now() + ahead >= this.#until
  }

  /** Whether a bound will be passed before the next look. */
  reachedByNextLook (read: number): boolean {
    return this.reached(read, this.#nextLook)
  }
}
