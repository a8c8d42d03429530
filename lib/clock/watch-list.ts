import type { ReadPhase } from '../record/errors.js'

/** What a connection is doing, as `stats()` counts it. */
export type ConnectionPhase = Exclude<ReadPhase, 'handler'> | 'lingering'

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
  /** Where the list keeps it; written by the list alone. */
  index: number
  /** Responses that wait for their client, beside what is read. */
  readonly responding?: number
}

/** The `index` of what is not watched. */
export const NOT_WATCHED = -1

/** What has long to go is looked at again by then all the same, in counted milliseconds: its connection may have closed. */
export const LONGEST_REST = 1_000

/** Stagger: connections accepted together would all fall due on one beat, so each block of slots rests this much less, up to 9 times. */
const STAGGER_MS = 50
/** Slots in a block: neighbours lie together in memory, and a look at one here and one there takes several times as long. */
const BLOCK = 256

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
    const index = this.#watched.push(watched) - 1
    if (index === this.#rest.length) this.#makeRoom()
    watched.index = index
    this.#looked[index] = 0
    this.#rest[index] = 0
  }

  delete (watched: Watched): void {
    const { index } = watched
    if (index === NOT_WATCHED) return
    watched.index = NOT_WATCHED
    const last = this.#watched.pop()
    if (last === undefined || last === watched) return
    const from = this.#watched.length
    last.index = index
    this.#watched[index] = last
    this.#looked[index] = this.lookedAt(from)
    this.#rest[index] = this.#rest[from] ?? 0
  }

  /** When it was looked at last; 0 if it never was. */
  lookedAt (index: number): number {
    return this.#looked[index] ?? 0
  }

  isDue (index: number, until: number): boolean {
    return this.lookedAt(index) + (this.#rest[index] ?? 0) < until
  }

  /** @param remaining what `look` said */
  looked ({ index }: Watched, now: number, remaining: number): void {
    if (index === NOT_WATCHED) return
    this.#looked[index] = now
    this.#rest[index] = remaining === Infinity || remaining <= 0 ? 0 : Math.min(remaining, LONGEST_REST - Math.floor(index / BLOCK) % 10 * STAGGER_MS)
  }

  /** It may have less left than it said: it is due at the next beat. */
  wake ({ index }: Watched): void {
    if (index !== NOT_WATCHED) this.#rest[index] = 0
  }

  #makeRoom (): void {
    const [looked, rest] = [this.#looked, this.#rest]
    this.#looked = new Float64Array(looked.length * 2)
    this.#rest = new Uint16Array(rest.length * 2)
    this.#looked.set(looked)
    this.#rest.set(rest)
  }
}
