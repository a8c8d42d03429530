// Each bin is 2 % wider than the one before, so its middle is within 1 % of every value in it.
const growth = 1.02
const logGrowth = Math.log(growth)
const smallest = 0.001
const largest = 1e15
const noBins = new Uint32Array(0)
/** Up to so many values are kept as they are: that is exact, and takes less memory than bins. Most clients have no more. */
const mostKept = 64

/** Bin 0 holds zero and everything below a thousandth. */
export function binOf (value: number): number {
  if (value <= smallest) return 0
  return Math.max(1, Math.ceil(Math.log(Math.min(value, largest) / smallest) / logGrowth))
}

/** No value in the bin is above this. */
function topOfBin (bin: number): number {
  return bin <= 0 ? 0 : smallest * growth ** bin
}

/**
 * Quantiles in constant memory, each within 1 % of the exact one (DDSketch: Masson, Rim and Lee, VLDB 2019); of few values they
 * are exact. A quantile is a value such that at least that share of all values is not above it. Values are from 0 to 10¹⁵.
 */
export class QuantileSketch {
  count = 0
  #min = Infinity
  #max = 0
  /** All values, until there are too many. */
  #kept: number[] = []
  #bins = noBins
  #first = 0

  get max (): number {
    return this.#max
  }

  add (value: number): void {
    this.#min = Math.min(this.#min, value)
    this.#max = Math.max(this.#max, value)
    if (this.count >= mostKept) {
      this.#moveKeptToBins()
      this.#addToBin(binOf(value), 1)
    } else if (this.count === 0) {
      this.#kept = [value] // V8 makes room for 17 in an array that grows, and most clients have one value
    } else {
      this.#kept.push(value)
    }
    this.count++
  }

  merge (other: QuantileSketch): void {
    for (const value of other.#kept) this.add(value)
    if (other.#bins.length === 0) return
    this.#moveKeptToBins()
    this.#min = Math.min(this.#min, other.#min)
    this.#max = Math.max(this.#max, other.#max)
    this.count += other.count
    for (const [offset, count] of other.#bins.entries()) {
      if (count > 0) this.#addToBin(other.#first + offset, count)
    }
  }

  /** `undefined` where there are no values. */
  quantile (share: number): number | undefined {
    return this.#valueAt(this.#rankOf(share), bin => topOfBin(bin) * 2 / (1 + growth))
  }

  /** Not below the exact quantile: at least this share of the values is not above it. */
  atMost (share: number): number | undefined {
    return this.#valueAt(this.#rankOf(share), topOfBin)
  }

  /** At least this share of the values is not below it. */
  atLeast (share: number): number | undefined {
    return this.#valueAt(this.#rankAfter(1 - share), bin => topOfBin(bin - 1))
  }

  // Ranks count from 1. 0.99 × 100 is not 99 in binary floating point, and must not end up one rank too high.

  #rankOf (share: number): number {
    return Math.max(1, Math.ceil(share * this.count - 1e-9))
  }

  #rankAfter (share: number): number {
    return Math.floor(share * this.count + 1e-9) + 1
  }

  #valueAt (rank: number, ofBin: (bin: number) => number): number | undefined {
    if (this.count === 0) return undefined
    if (this.#bins.length === 0) return [...this.#kept].sort((a, b) => a - b)[rank - 1] ?? this.#max
    let seen = 0
    for (const [offset, count] of this.#bins.entries()) {
      seen += count
      if (seen >= rank) return Math.min(this.#max, Math.max(this.#min, ofBin(this.#first + offset)))
    }
    return this.#max
  }

  #moveKeptToBins (): void {
    for (const value of this.#kept) this.#addToBin(binOf(value), 1)
    this.#kept = []
  }

  #addToBin (bin: number, count: number): void {
    const size = this.#bins.length
    if (size === 0 || bin < this.#first || bin >= this.#first + size) this.#growTo(bin)
    const offset = bin - this.#first
    this.#bins[offset] = (this.#bins[offset] ?? 0) + count
  }

  #growTo (bin: number): void {
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
