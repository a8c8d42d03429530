import type { LingerOptions } from '../limits/options.js'

/** Where `linger` is off, in milliseconds: its default. */
const DEFAULT_TIMEOUT = 2_000

/**
 * The answer has been given: what is left of the exchange has a bounded while, which begins anew with every progress. In
 * counted time: while this process is blocked, a window that the client has opened waits in the kernel.
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

  /**
   * @param taken grows where something is taken: by the client, or of the body by the application
   * @param now in counted milliseconds
   */
  isPassed (taken: number, now: number): boolean {
    if (this.#since === undefined || taken > this.#most) {
      this.#since = now
      this.#most = taken
    }
    return now - this.#since >= this.#timeout
  }
}
