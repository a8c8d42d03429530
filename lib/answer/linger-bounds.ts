import type { GuardContext } from '../guard.js'
import type { LingerOptions } from '../limits/options.js'

/** Timers fire up to this many milliseconds late on an idle loop. */
const TIMER_SLACK_MS = 10

/** The default of `linger`, in bytes. */
const DEFAULT_BYTES = 67_108_864

/** How much is thrown away while an answer is still owed: what lingering allows after it, and as by default where lingering is off. */
export function mostDiscarded (linger: LingerOptions | false): number {
  return linger === false ? DEFAULT_BYTES : linger.bytes
}

/** How far lingering goes, in bytes and in time. */
export class LingerBounds {
  readonly #bytes: number
  readonly #until: number
  readonly #nextLook: number

  /** @param read bytes that were read before */
  constructor (guard: GuardContext, { timeout, bytes }: LingerOptions, read: number) {
    guard.lingered++
    this.#bytes = read + bytes
    this.#until = performance.now() + timeout
    this.#nextLook = guard.options.resolution + TIMER_SLACK_MS
  }

  /** Asked as bytes come: a fast client gets no further than one read, also where the looks are late. */
  reached (read: number, ahead = 0): boolean {
    return read >= this.#bytes || performance.now() + ahead >= this.#until
  }

  /** The look that would come after the bound is too late. */
  reachedByNextLook (read: number): boolean {
    return this.reached(read, this.#nextLook)
  }
}
