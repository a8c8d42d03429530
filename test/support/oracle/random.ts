/** Numbers that look random, and are the same for the same seed (mulberry32). */
export class Random {
  #state: number

  constructor (seed: number) {
    this.#state = seed >>> 0
  }

  /** At least 0, and below 1. */
  next (): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number, both bounds included. */
  int (min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1))
  }

  chance (of: number): boolean {
    return this.next() < of
  }

  pick<const From extends readonly [unknown, ...unknown[]]> (from: From): From[number] {
    return from[this.int(0, from.length - 1)] ?? from[0]
  }

  /** So many visible ASCII characters. */
  text (length: number): string {
    return Array.from({ length }, () => String.fromCharCode(this.int(0x21, 0x7e))).join('')
  }
}
