/** A beat that comes late counts for at most this many intervals: the delay is this process's fault. */
const LONGEST_BEAT = 1.5

/** What one beat counts for at most, in milliseconds. */
export function longestBeat (interval: number): number {
  return Math.ceil(interval * LONGEST_BEAT)
}

/**
 * A clock that leaves out the time in which this process could not read: between two beats it never advances by more
 * than `longest` milliseconds, so a blocked event loop is not held against a client. Pure: the real time is given.
 */
export class CountedTime {
  readonly #longest: number
  #counted = 0
  #beatAt: number
  #lost = 0

  /** @param longest see `longestBeat` */
  constructor (longest: number, real: number) {
    this.#longest = longest
    this.#beatAt = real
  }

  /** Milliseconds left out so far, as of the last `now` or `beat`. */
  get lost (): number {
    return this.#lost
  }

  now (real: number): number {
    const sinceBeat = real - this.#beatAt
    if (sinceBeat <= this.#longest) return this.#counted + sinceBeat
    this.#lost += sinceBeat - this.#longest
    this.#beatAt = real - this.#longest
    return this.#counted + this.#longest
  }

  beat (real: number): number {
    this.#counted = this.now(real)
    this.#beatAt = real
    return this.#counted
  }
}
