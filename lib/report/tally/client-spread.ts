import { Busiest, type Tally } from './busiest.js'

const kept = 64
const bits = 4096

class Reads implements Tally<Reads> {
  count = 0
  honest = 0

  merge (other: Reads): void {
    this.count += other.count
    this.honest += other.honest
  }
}

/** How reads are spread over clients (IPv6 by /64), in bounded memory: the busiest, and about how many there are. */
export class ClientSpread {
  readonly #busiest = new Busiest(kept, () => new Reads())
  /** A bit for each hash that was seen: linear counting (Whang, Vander-Zanden, Taylor 1990). */
  readonly #seen = new Uint8Array(bits / 8)

  add (network: string, isHonest: boolean): void {
    const reads = this.#busiest.of(network)
    reads.count++
    if (isHonest) reads.honest++
    const bit = hash(network) % bits
    this.#seen[bit >> 3] = (this.#seen[bit >> 3] ?? 0) | 1 << (bit & 7)
  }

  merge (other: ClientSpread): void {
    for (const { key, tally } of other.#busiest.ranked()) this.#busiest.of(key).merge(tally)
    for (const [index, byte] of other.#seen.entries()) this.#seen[index] = (this.#seen[index] ?? 0) | byte
  }

  /** Busiest first. */
  ranked (): { readonly client: string, readonly count: number, readonly honest: number }[] {
    return this.#busiest.ranked().map(({ key, tally }) => ({ client: key, count: tally.count, honest: tally.honest }))
  }

  /** Exact up to 128, then within a few percent, up to about 30 000. */
  get clients (): number {
    if (this.#busiest.others === undefined) return this.#busiest.ranked().length
    let unset = 0
    for (const byte of this.#seen) for (let bit = 0; bit < 8; bit++) if ((byte & 1 << bit) === 0) unset++
    return Math.round(bits * Math.log(bits / Math.max(1, unset)))
  }
}

/** FNV-1a. */
function hash (text: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  return (value ^ value >>> 15) >>> 0
}
