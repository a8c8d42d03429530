/**
 * A clock that leaves out the time in which this process could not read: between two beats it never advances by more
 * than `longest` milliseconds, so a blocked event loop is not held against a client. Pure: the real time is given.
 */
export class CountedTime {
  readonly #longest: number
  #counted = 0
  #beatAt: number

  constructor (longest: number, real: number) {
    this.#longest = longest
    this.#beatAt = real
  }

  now (real: number): number {
    return this.#counted + Math.min(real - this.#beatAt, this.#longest)
  }

  beat (real: number): number {
    this.#counted = this.now(real)
    this.#beatAt = real
    return this.#counted
  }
}
