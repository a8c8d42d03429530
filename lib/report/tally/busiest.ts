export interface Tally<Self> {
  readonly count: number
  /** Adds the counts of the other one to its own. */
  merge (other: Self): void
}

/**
 * Tallies by key in bounded memory, for keys that clients choose (addresses). Exact while there are not more than
 * `2 × keep` keys. Past that the quieter half is merged into `others`, so that sums stay exact, and a key that comes
 * back starts anew: the most that it may have lost is known (`missed`), as in Space-Saving (Metwally, Agrawal, El Abbadi 2005).
 */
export class Busiest<T extends Tally<T>, Key extends string | number = string> {
  others: T | undefined
  readonly #keep: number
  readonly #create: () => T
  readonly #entries = new Map<Key, { readonly tally: T, readonly missed: number }>()
  #dropped = 0

  constructor (keep: number, create: () => T) {
    this.#keep = keep
    this.#create = create
  }

  of (key: Key): T {
    const known = this.#entries.get(key)
    if (known !== undefined) return known.tally
    if (this.#entries.size >= this.#keep * 2) this.#compact()
    const tally = this.#create()
    this.#entries.set(key, { tally, missed: this.#dropped })
    return tally
  }

  /** Busiest first. `missed` is how many more of a key may have been merged into `others` before it was kept apart. */
  ranked (): { key: Key, tally: T, missed: number }[] {
    return [...this.#entries]
      .map(([key, { tally, missed }]) => ({ key, tally, missed }))
      .sort((a, b) => b.tally.count - a.tally.count || (a.key < b.key ? -1 : 1))
  }

  #compact (): void {
    const byUpperBound = [...this.#entries].sort(([, a], [, b]) => (b.tally.count + b.missed) - (a.tally.count + a.missed))
    this.others ??= this.#create()
    for (const [key, { tally, missed }] of byUpperBound.slice(this.#keep)) {
      this.#dropped = Math.max(this.#dropped, tally.count + missed)
      this.others.merge(tally)
      this.#entries.delete(key)
    }
  }
}
