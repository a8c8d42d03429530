import type { LingerOptions } from '../limits/options.js'

/** Where `linger` is off, in milliseconds: its default. */
const DEFAULT_TIMEOUT = 2_000

/**
 * The answer has been given: what is left of the exchange has a bounded while, which begins anew with every progress. In
 * real time, as this process owes nothing any more. Where the client's bytes decide, it is asked once more after those that
 * wait in the kernel were read.
 *
 * `linger: false` is about what the client still sends: nothing of that is read once the answer has left. The answer itself
 * has its time all the same.
 */
export class AnswerDeadline {
  readonly #timeout: number
  #since: number | undefined
  #most = 0

  constructor (linger: LingerOptions | false) {
    this.#timeout = linger === false ? DEFAULT_TIMEOUT : linger.timeout
  }

  /** @param taken grows where something is taken: by the client, or of the body by the application */
  isPassed (taken: number, now = performance.now()): boolean {
    if (this.#since === undefined || taken > this.#most) {
      this.#since = now
      this.#most = taken
    }
    return now - this.#since >= this.#timeout
  }
}
