import type { LingerOptions } from '../limits/options.js'

/** Where `linger` is off, in milliseconds: its default. */
const DEFAULT_TIMEOUT = 2_000

/**
 * The answer has been given, and its client is to take it: within a bounded while, which begins anew whenever the client
 * takes some of it. In real time, as this process has nothing left to do for it.
 *
 * `linger: false` is about what the client still sends: nothing of that is read once the answer has left. The answer itself
 * has its time all the same.
 */
export class AnswerDeadline {
  readonly #timeout: number
  #since: number | undefined
  #taken = 0

  constructor (linger: LingerOptions | false) {
    this.#timeout = linger === false ? DEFAULT_TIMEOUT : linger.timeout
  }

  /** @param taken differs from that of the call before where the client has taken something since */
  isPassed (taken: number, now = performance.now()): boolean {
    if (this.#since === undefined || taken !== this.#taken) {
      this.#since = now
      this.#taken = taken
    }
    return now - this.#since >= this.#timeout
  }
}
