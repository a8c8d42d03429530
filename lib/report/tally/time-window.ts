const minute = 60_000
const mostKept = 512
/** A window of failures that is as long has one cause. */
const widest = 15 * minute

/** Where in time most reads lie close together, in bounded memory. */
export class TimeWindow {
  first = Infinity
  last = -Infinity
  #width = minute
  #counts = new Map<number, number>()
  #total = 0

  add (time: number): void {
    this.#total++
    this.first = Math.min(this.first, time)
    this.last = Math.max(this.last, time)
    this.#count(time, 1)
    if (this.#counts.size > mostKept) this.#coarsen()
  }

  merge (other: TimeWindow): void {
    this.#total += other.#total
    this.first = Math.min(this.first, other.first)
    this.last = Math.max(this.last, other.last)
    while (this.#width < other.#width) this.#coarsen()
    for (const [start, count] of other.#counts) this.#count(start, count)
    while (this.#counts.size > mostKept) this.#coarsen()
  }

  /** The quarter of an hour with the most reads, without its empty ends; `undefined` without times. */
  densest (): { readonly from: number, readonly to: number, readonly share: number } | undefined {
    const starts = [...this.#counts.keys()].sort((a, b) => a - b)
    let best: { from: number, to: number, count: number } | undefined
    let first = 0
    let count = 0
    for (const start of starts) {
      count += this.#counts.get(start) ?? 0
      for (let oldest = starts[first] ?? start; start + this.#width - oldest > Math.max(widest, this.#width); oldest = starts[first] ?? start) {
        count -= this.#counts.get(oldest) ?? 0
        first++
      }
      if (count > (best?.count ?? 0)) best = { from: starts[first] ?? start, to: start + this.#width, count }
    }
    return best === undefined ? undefined : { from: best.from, to: best.to, share: best.count / this.#total }
  }

  #count (time: number, more: number): void {
    const start = time - time % this.#width
    this.#counts.set(start, (this.#counts.get(start) ?? 0) + more)
  }

  #coarsen (): void {
    const fine = this.#counts
    this.#counts = new Map()
    this.#width *= this.#width === minute ? 5 : 3
    for (const [start, count] of fine) this.#count(start, count)
  }
}
