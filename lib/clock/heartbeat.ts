import { AsyncResource } from 'node:async_hooks'
import { CountedTime, longestBeat } from './counted-time.js'
import { NOT_WATCHED, WatchList, type Watched } from './watch-list.js'

/** What runs out between two beats is looked at again by then, this many times at the most. */
const LOOKS_BETWEEN = 10
const VERDICTS_AT_ONCE = 250

/** What a round of looks has found. */
interface Round {
  readonly now: number
  /** When the next beat comes. */
  readonly until: number
  readonly nominated: Watched[]
  /** What runs out before the next beat. */
  readonly soon: Watched[]
  soonest: number
}

/**
 * The only timers: one that runs while anything is watched, and one for what runs out before its next beat. Neither keeps
 * the process alive: where there is something to wait for, its socket does. All times
 * are whole milliseconds, which V8 keeps without an object of their own: events count from the end of the millisecond
 * in which they happen and verdicts from its beginning, so that none comes too early.
 */
export class Heartbeat {
  readonly #list = new WatchList()
  readonly #resolution: number
  readonly #time: CountedTime
  #before = 0
  #timer: NodeJS.Timeout | undefined
  /** How many there are for which the process is to live on. */
  #holds = 0
  #between: NodeJS.Timeout | undefined
  readonly #outside = new AsyncResource('FastifyReadGuard')

  constructor (resolution: number) {
    this.#resolution = resolution
    this.#time = new CountedTime(longestBeat(resolution), Math.floor(performance.now()))
  }

  /** Counted milliseconds; see `CountedTime`. */
  now (): number {
    return this.#time.now(Math.ceil(performance.now()))
  }

  /** Milliseconds that were not counted so far, because this process could not run; as of the last `now()`. */
  get lost (): number {
    return this.#time.lost
  }

  /** When what is looked at was looked at before, in counted milliseconds; 0 if it never was. */
  get before (): number {
    return this.#before
  }

  add (watched: Watched): void {
    this.#list.add(watched)
    if (this.#timer !== undefined) return
    this.#time.beat(Math.floor(performance.now()))
    // In no request's context: what fails by the clock may belong to any.
    this.#timer = this.#outside.runInAsyncScope(() => setInterval(() => this.#beat(), this.#resolution))
    if (this.#holds === 0) this.#timer.unref()
  }

  /**
   * The process lives on for what is watched, until `release()`: of a connection that broke unnoticed nothing else keeps it,
   * and what waits for its end would not be told.
   */
  hold (): void {
    if (this.#holds++ === 0) this.#timer?.ref()
  }

  release (): void {
    if (--this.#holds === 0) this.#timer?.unref()
  }

  delete (watched: Watched): void {
    this.#list.delete(watched)
  }

  /** Something else is read than when it was looked at, or by other limits. */
  wake (watched: Watched): void {
    this.#list.wake(watched)
  }

  watched (): Iterable<Watched> {
    return this.#list.all
  }

  /** Looks at everything now, so that nothing is left behind once the last connection is closed. */
  sweep (): void {
    if (this.#timer !== undefined) this.#beat(Infinity)
  }

  /** @param due what is left alone no longer than until then is looked at; before the next beat, where nothing is given */
  #beat (due?: number): void {
    const now = this.#time.beat(Math.floor(performance.now()))
    clearTimeout(this.#between)
    const round = this.#round(now, now + this.#resolution)
    const { all } = this.#list
    // Backwards: who is deleted meanwhile has its place taken by one that was passed already.
    for (let index = all.length - 1; index >= 0; index--) {
      const watched = this.#list.isDue(index, due ?? round.until) ? all[index] : undefined
      if (watched !== undefined) this.#lookAt(watched, round)
    }
    this.#conclude(round)
    if (all.length > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #round (now: number, until: number): Round {
    return { now, until, nominated: [], soon: [], soonest: until - now }
  }

  #lookAt (watched: Watched, round: Round): void {
    const { now, until, nominated, soon } = round
    this.#before = this.#list.lookedAt(watched.index)
    const remaining = watched.look(now)
    this.#list.looked(watched, now, remaining)
    if (remaining <= 0) {
      nominated.push(watched)
    } else if (remaining < until - now) {
      soon.push(watched)
      if (remaining < round.soonest) round.soonest = remaining
    }
  }

  #conclude ({ now, until, nominated, soon, soonest }: Round): void {
    // The poll phase comes between a timer and its setImmediate: what lies in the kernel is read before the verdict.
    if (nominated.length > 0) setImmediate(() => this.#judge(nominated, now))
    if (soon.length > 0) this.#lookAgain(soon, Math.max(Math.ceil(soonest), this.#resolution / LOOKS_BETWEEN), until)
  }

  #lookAgain (soon: readonly Watched[], delay: number, until: number): void {
    this.#between = setTimeout(() => {
      const now = this.#time.now(Math.floor(performance.now()))
      if (now >= until) return
      const round = this.#round(now, until)
      for (const watched of soon) {
        if (watched.index !== NOT_WATCHED) this.#lookAt(watched, round)
      }
      this.#conclude(round)
    }, delay).unref()
  }

  /**
   * A few at a time, so that others get a turn between them: the answers to a thousand take a tenth of a second.
   *
   * @param now that of the look: what has happened since is not held against anybody before the next one
   */
  #judge (nominated: readonly Watched[], now: number, from = 0): void {
    const until = from + VERDICTS_AT_ONCE
    let next = from
    // A hook or a logger of the application may throw out of a verdict: those behind it get theirs all the same.
    try {
      for (const watched of nominated.slice(from, until)) {
        next++
        watched.judge(now)
      }
    } finally {
      if (next < nominated.length) setImmediate(() => this.#judge(nominated, now, next))
    }
  }
}
