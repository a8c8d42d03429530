import type { LingerOptions } from '../limits/options.js'

/** The default of `linger`, in milliseconds: it applies to the answer also if `linger` is off. */
const DEFAULT_TIMEOUT = 2_000

/**
 * Limits the rest of an exchange after its answer was given. The time starts over with every progress. It is counted time: while
 * this process is blocked, a window that the client has opened waits in the kernel.
 *
 * With `linger: false` nothing more is read once the answer has left. The answer itself still has time to leave.
 */
export class AnswerDeadline {
  readonly #timeout: number
  #since: number | undefined
  #most = 0

  constructor (linger: LingerOptions | false) {
    this.#timeout = linger === false ? DEFAULT_TIMEOUT : linger.timeout
  }

  /**
   * @param taken grows with every byte that the client takes, or that the application takes of the body
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
