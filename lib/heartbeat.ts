import { CountedTime } from './counted-time.js'
import type { ReadPhase } from './errors.js'

/** What a connection is doing, as `stats()` counts it. */
export type ConnectionPhase = ReadPhase | 'lingering'

/** Something that is looked at once a beat while a read may be under way on it. */
export interface Watched {
  /** What is being read, as `stats()` counts it. */
  readonly phase: ConnectionPhase | undefined
  /** A cheap look; true nominates it for a verdict. */
  look (now: number): boolean
  /** The verdict, after everything that waited in the kernel has been read. */
  judge (now: number): void
}

/** A beat that comes late counts for at most this many intervals: the delay is this process's fault. */
const LONGEST_BEAT = 1.5

/** The only timer. It runs while anything is watched. */
export class Heartbeat {
  readonly #watched = new Set<Watched>()
  readonly #resolution: number
  readonly #time: CountedTime
  #timer: NodeJS.Timeout | undefined

  constructor (resolution: number) {
    this.#resolution = resolution
    this.#time = new CountedTime(resolution * LONGEST_BEAT, performance.now())
  }

  /** Counted milliseconds; see `CountedTime`. */
  now (): number {
    return this.#time.now(performance.now())
  }

  /** Milliseconds that were not counted so far, because this process could not run; as of the last `now()`. */
  get lost (): number {
    return this.#time.lost
  }

  add (watched: Watched): void {
    this.#watched.add(watched)
    if (this.#timer !== undefined) return
    this.#time.beat(performance.now())
    this.#timer = setInterval(() => this.#beat(), this.#resolution)
  }

  delete (watched: Watched): void {
    this.#watched.delete(watched)
  }

  watched (): Iterable<Watched> {
    return this.#watched
  }

  /** Looks now, so that nothing is left behind once the last connection is closed. */
  sweep (): void {
    if (this.#timer !== undefined) this.#beat()
  }

  #beat (): void {
    const now = this.#time.beat(performance.now())
    let nominated: Watched[] | undefined
    for (const watched of this.#watched) {
      if (watched.look(now)) (nominated ??= []).push(watched)
    }
    // The poll phase comes between a timer and its setImmediate: what lies in the kernel is read before the verdict.
    if (nominated !== undefined) setImmediate(() => this.#judge(nominated, now))
    if (this.#watched.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }

  /** @param now that of the beat: what has happened since is not held against anybody before the next one */
  #judge (nominated: readonly Watched[], now: number): void {
    for (const watched of nominated) watched.judge(now)
  }
}
