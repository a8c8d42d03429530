// Each bin is 2 % wider than the one before, so its middle is within 1 % of every value in it.
const growth = 1.02
const logGrowth = Math.log(growth)
const smallest = 0.001
const largest = 1e15

/** Bin 0 holds zero (and what is below a thousandth). */
export function binOf (value: number): number {
  if (value <= smallest) return 0
  return Math.max(1, Math.ceil(Math.log(Math.min(value, largest) / smallest) / logGrowth))
}

/** No value in the bin is above this. */
export function topOfBin (bin: number): number {
  return bin <= 0 ? 0 : smallest * growth ** bin
}

/**
 * Quantiles in constant memory, each within 1 % of the exact one (DDSketch: Masson, Rim and Lee, VLDB 2019). A quantile
 * is a value such that at least that share of all values is not above it. For values from 0 to 10¹⁵; sums and counts
 * stay exact elsewhere.
 */
export class QuantileSketch {
  count = 0
  #min = Infinity
  #max = 0
  #bins = new Uint32Array(0)
  #first = 0

  get max (): number {
    return this.#max
  }

  add (value: number): void {
    this.#min = Math.min(this.#min, value)
    this.#max = Math.max(this.#max, value)
    this.#addToBin(binOf(value), 1)
  }

  merge (other: QuantileSketch): void {
    this.#min = Math.min(this.#min, other.#min)
    this.#max = Math.max(this.#max, other.#max)
    for (let offset = 0; offset < other.#bins.length; offset++) {
      const count = other.#bins[offset] ?? 0
      if (count > 0) this.#addToBin(other.#first + offset, count)
    }
  }

  /** `undefined` of no values. */
  quantile (share: number): number | undefined {
    const bin = this.#binAt(share)
    return bin === undefined ? undefined : this.#within(topOfBin(bin) * 2 / (1 + growth))
  }

  /** Not below the exact quantile: at least this share of the values is not above it. */
  atMost (share: number): number | undefined {
    const bin = this.#binAt(share)
    return bin === undefined ? undefined : this.#within(topOfBin(bin))
  }

  /** At least this share of the values is not below it. */
  atLeast (share: number): number | undefined {
    const bin = this.#binAt(1 - share, true)
    return bin === undefined ? undefined : this.#within(topOfBin(bin - 1))
  }

  #within (value: number): number {
    return Math.min(this.#max, Math.max(this.#min, value))
  }

  /** The bin of the value with this rank; `next` for the one after it. */
  #binAt (share: number, next = false): number | undefined {
    if (this.count === 0) return undefined
    const exact = share * this.count
    // 0.99 × 100 is not 99 in binary floating point, and must not end up one rank too high
    const rank = Math.max(1, next ? Math.floor(exact + 1e-9) + 1 : Math.ceil(exact - 1e-9))
    let seen = 0
    for (const [offset, count] of this.#bins.entries()) {
      seen += count
      if (seen >= rank) return this.#first + offset
    }
    return binOf(this.#max)
  }

  #addToBin (bin: number, count: number): void {
    const size = this.#bins.length
    if (size === 0 || bin < this.#first || bin >= this.#first + size) this.#cover(bin)
    const offset = bin - this.#first
    this.#bins[offset] = (this.#bins[offset] ?? 0) + count
    this.count += count
  }

  #cover (bin: number): void {
    const size = this.#bins.length
    const spare = Math.max(8, size >> 2) // so that it seldom has to grow again
    const first = size === 0 ? bin : this.#first
    const from = Math.max(0, Math.min(first, bin - spare))
    const to = Math.max(first + size, bin + spare)
    const bins = new Uint32Array(to - from)
    bins.set(this.#bins, first - from)
    this.#bins = bins
    this.#first = from
  }
}
