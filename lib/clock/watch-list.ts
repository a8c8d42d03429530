import type { ReadPhase } from '../record/errors.js'

/** What a connection is doing, as `stats()` counts it. */
export type ConnectionPhase = ReadPhase | 'lingering'

/** What runs out of time. */
export interface Timed {
  /** What is being read, as `stats()` counts it. */
  readonly phase: ConnectionPhase | undefined
  /**
   * A cheap look: the counted milliseconds that it has left if nothing comes. Where none are left, it is nominated for a
   * verdict; of what has long to go no more is seen for up to `LONGEST_REST`. With `Infinity` it is looked at every beat.
   */
  look (now: number): number
  /** The verdict, after everything that waited in the kernel has been read. */
  judge (now: number): void
}

/** Something that is looked at while a read may be under way on it. */
export interface Watched extends Timed {
  /** The list's own: where it keeps it. */
  place: number
}

/** `place` of what is not watched. */
export const NOWHERE = -1

/** What has long to go is looked at again by then all the same, in counted milliseconds: its connection may have closed. */
export const LONGEST_REST = 1_000

/** Those that came together are to part, in herds: up to 9 times so many milliseconds less, by place. */
const SPREAD = 50
/** Neighbours lie together in memory, too: looking at one here and one there takes several times as long. */
const HERD = 256

const FIRST_ROOM = 64

/**
 * What is watched, and until when each may be left alone. A beat passes over thousands of reads, few of which are about to
 * run out: their times stand in columns, as following every one to its socket takes ten times as long as the rest of a beat.
 */
export class WatchList {
  readonly #watched: Watched[] = []
  /** When each was looked at last, in counted milliseconds. */
  #looked = new Float64Array(FIRST_ROOM)
  /** For how long it may be left alone from then on. */
  #rest = new Uint16Array(FIRST_ROOM)

  get all (): readonly Watched[] {
    return this.#watched
  }

  add (watched: Watched): void {
    const place = this.#watched.push(watched) - 1
    if (place === this.#rest.length) this.#makeRoom()
    watched.place = place
    this.#looked[place] = 0
    this.#rest[place] = 0
  }

  delete (watched: Watched): void {
    const { place } = watched
    if (place === NOWHERE) return
    watched.place = NOWHERE
    const last = this.#watched.pop()
    if (last === undefined || last === watched) return
    const from = this.#watched.length
    last.place = place
    this.#watched[place] = last
    this.#looked[place] = this.lookedAt(from)
    this.#rest[place] = this.#rest[from] ?? 0
  }

  /** When it was looked at last; 0 if it never was. */
  lookedAt (place: number): number {
    return this.#looked[place] ?? 0
  }

  isDue (place: number, until: number): boolean {
    return this.lookedAt(place) + (this.#rest[place] ?? 0) < until
  }

  /** @param left what `look` said */
  looked ({ place }: Watched, now: number, left: number): void {
    if (place === NOWHERE) return
    this.#looked[place] = now
    this.#rest[place] = left === Infinity || left <= 0 ? 0 : Math.min(left, LONGEST_REST - Math.floor(place / HERD) % 10 * SPREAD)
  }

  /** It may have less left than it said: it is due at the next beat. */
  wake ({ place }: Watched): void {
    if (place !== NOWHERE) this.#rest[place] = 0
  }

  #makeRoom (): void {
    const [looked, rest] = [this.#looked, this.#rest]
    this.#looked = new Float64Array(looked.length * 2)
    this.#rest = new Uint16Array(rest.length * 2)
    this.#looked.set(looked)
    this.#rest.set(rest)
  }
}
