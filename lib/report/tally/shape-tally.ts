import { Busiest, type Tally } from './busiest.js'

class Count implements Tally<Count> {
  count = 0
  merge (other: Count): void {
    this.count += other.count
  }
}

const kept = 16
/** Sizes are alike that differ by less than this. */
const alike = Math.log(1.1)
/** More than there are sizes that are not alike, up to the largest. */
const sizes = 512

/** How many reads got equally far in a body of the same length: that is typical of programs, and rare among people. */
export class ShapeTally {
  readonly #shapes = new Busiest<Count, number>(kept, () => new Count())

  add (received: number, expected: number | undefined): void {
    this.#shapes.of((expected ?? 0) * sizes + Math.round(Math.log1p(received) / alike)).count++
  }

  merge (other: ShapeTally): void {
    for (const { key, tally } of other.#shapes.ranked()) this.#shapes.of(key).merge(tally)
  }

  /** Reads of the most frequent shape. */
  get most (): number {
    return this.#shapes.ranked()[0]?.tally.count ?? 0
  }
}
