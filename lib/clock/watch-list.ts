import type { ReadPhase } from '../record/errors.js'

/** What a connection is doing, as `stats()` counts it. */
export type ConnectionPhase = Exclude<ReadPhase, 'handler'> | 'lingering'

/** Something that can run out of time. */
export interface Timed {
  /** What is being read, as `stats()` counts it. */
  readonly phase: ConnectionPhase | undefined
  /**
   * A cheap look: returns the counted milliseconds that are left if nothing more comes. With none left, it is nominated for a
   * verdict. With many left, the next look may be up to `LONGEST_REST` away. With `Infinity` it is looked at on every beat.
   */
  look (now: number): number
  /** The verdict, after everything that waited in the kernel has been read. */
  judge (now: number): void
}

/** Something that is looked at while a read may be under way on it. */
export interface Watched extends Timed {
  /** Its place in the list; only the list writes it. */
  index: number
  /** Responses that wait for their client, beside what is read. */
  readonly responding?: number
}

/** The `index` of something that is not watched. */
export const NOT_WATCHED = -1

/** The longest time between two looks, in counted milliseconds, however much is left: the connection may have closed. */
export const LONGEST_REST = 1_000

/** Stagger: connections accepted together would all fall due on one beat, so each block of slots rests this much less, up to 9 times. */
const STAGGER_MS = 50
/** Slots in a block. Neighbours lie together in memory: looking at scattered slots takes several times as long. */
const BLOCK = 256

const FIRST_ROOM = 64

/**
 * Everything that is watched, and how long each may be left alone. A beat goes over thousands of reads, and few of them are
 * about to run out. Their times are kept in arrays, because following each one to its socket takes ten times as long as the
 * rest of a beat.
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

  /**
   * With nothing left it rests until `wake()`, when its verdict is given: where thousands run out at once, that takes longer than
   * a beat, and each beat would nominate them again.
   *
   * @param remaining what `look` said
   */
  looked ({ index }: Watched, now: number, remaining: number): void {
    if (index === NOT_WATCHED) return
    this.#looked[index] = now
    if (remaining === Infinity) this.#rest[index] = 0
    else if (remaining <= 0) this.#rest[index] = LONGEST_REST
    else this.#rest[index] = Math.min(remaining, LONGEST_REST - Math.floor(index / BLOCK) % 10 * STAGGER_MS)
  }

  /** It may have less time left than it said, so it is due at the next beat. */
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
