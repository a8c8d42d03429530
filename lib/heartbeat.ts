import { CountedTime } from './counted-time.js'
import type { ReadPhase } from './errors.js'

/** What a connection is doing, as `stats()` counts it. */
export type ConnectionPhase = ReadPhase | 'lingering'

/** What runs out of time. */
export interface Timed {
  /** What is being read, as `stats()` counts it. */
  readonly phase: ConnectionPhase | undefined
  /** A cheap look: the counted milliseconds that it has left if nothing comes. Where none are left, it is nominated for a verdict. */
  look (now: number): number
  /** The verdict, after everything that waited in the kernel has been read. */
  judge (now: number): void
}

/** Something that is looked at once a beat while a read may be under way on it. */
export interface Watched extends Timed {
  /** The heartbeat's own: where it keeps it. */
  place: number
}

/** `place` of what is not watched. */
export const NOWHERE = -1

/** A beat that comes late counts for at most this many intervals: the delay is this process's fault. */
const LONGEST_BEAT = 1.5
/** What runs out between two beats is looked at again by then, this many times at the most. */
const LOOKS_BETWEEN = 10
const VERDICTS_AT_ONCE = 250

/**
 * The only timers: one that runs while anything is watched, and one for what runs out before its next beat. All times
 * are whole milliseconds, which V8 keeps without an object of their own: events count from the end of the millisecond
 * in which they happen and verdicts from its beginning, so that none comes too early.
 */
export class Heartbeat {
  readonly #watched: Watched[] = []
  readonly #resolution: number
  readonly #time: CountedTime
  /** Counted milliseconds of the beat before. */
  #before = 0
  #timer: NodeJS.Timeout | undefined
  #between: NodeJS.Timeout | undefined

  constructor (resolution: number) {
    this.#resolution = resolution
    this.#time = new CountedTime(Math.ceil(resolution * LONGEST_BEAT), Math.floor(performance.now()))
  }

  /** Counted milliseconds; see `CountedTime`. */
  now (): number {
    return this.#time.now(Math.ceil(performance.now()))
  }

  /** Milliseconds that were not counted so far, because this process could not run; as of the last `now()`. */
  get lost (): number {
    return this.#time.lost
  }

  /** When everything was looked at before, in counted milliseconds. */
  get before (): number {
    return this.#before
  }

  add (watched: Watched): void {
    watched.place = this.#watched.push(watched) - 1
    if (this.#timer !== undefined) return
    this.#time.beat(Math.floor(performance.now()))
    this.#timer = setInterval(() => this.#beat(), this.#resolution)
  }

  delete (watched: Watched): void {
    const { place } = watched
    if (place === NOWHERE) return
    watched.place = NOWHERE
    const last = this.#watched.pop()
    if (last === undefined || last === watched) return
    last.place = place
    this.#watched[place] = last
  }

  watched (): Iterable<Watched> {
    return this.#watched
  }

  /** Looks now, so that nothing is left behind once the last connection is closed. */
  sweep (): void {
    if (this.#timer !== undefined) this.#beat()
  }

  #beat (): void {
    const now = this.#time.beat(Math.floor(performance.now()))
    clearTimeout(this.#between)
    this.#look(this.#watched, now, now + this.#resolution)
    this.#before = now
    if (this.#watched.length > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** @param until when the next beat comes */
  #look (all: readonly Watched[], now: number, until: number): void {
    let nominated: Watched[] | undefined
    let soon: Watched[] | undefined
    let soonest = until - now
    // Backwards: who is deleted meanwhile has its place taken by one that was looked at.
    for (let i = all.length - 1; i >= 0; i--) {
      const watched = all[i]
      if (watched === undefined || watched.place === NOWHERE) continue
      const left = watched.look(now)
      if (left <= 0) {
        (nominated ??= []).push(watched)
      } else if (left < until - now) {
        (soon ??= []).push(watched)
        if (left < soonest) soonest = left
      }
    }
    // The poll phase comes between a timer and its setImmediate: what lies in the kernel is read before the verdict.
    if (nominated !== undefined) setImmediate(() => this.#judge(nominated, now))
    if (soon !== undefined) this.#lookAgain(soon, Math.max(Math.ceil(soonest), this.#resolution / LOOKS_BETWEEN), until)
  }

  #lookAgain (soon: readonly Watched[], delay: number, until: number): void {
    this.#between = setTimeout(() => {
      const now = this.#time.now(Math.floor(performance.now()))
      if (now < until) this.#look(soon, now, until)
    }, delay)
  }

  /**
   * A few at a time, so that others get a turn between them: the answers to a thousand take a tenth of a second.
   *
   * @param now that of the look: what has happened since is not held against anybody before the next one
   */
  #judge (nominated: readonly Watched[], now: number, from = 0): void {
    const until = from + VERDICTS_AT_ONCE
    for (const watched of nominated.slice(from, until)) watched.judge(now)
    if (until < nominated.length) setImmediate(() => this.#judge(nominated, now, until))
  }
}
