import { AsyncResource } from 'node:async_hooks'
import { CountedTime, longestBeat } from './counted-time.js'
import { NOT_WATCHED, WatchList, type Watched } from './watch-list.js'

/** Reads that run out between two beats are looked at again in between, at most this many times. */
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
 * The timers behind all limits: one that runs while anything is watched, and one for what runs out before its next beat.
 * Neither keeps the process alive: if there is something to wait for, its socket does. All times are whole milliseconds, which
 * V8 stores without an object for each. Events count from the end of the millisecond in which they happen, and verdicts from
 * its beginning, so that no verdict comes too early.
 */
export class Heartbeat {
  readonly #list = new WatchList()
  readonly #resolution: number
  readonly #time: CountedTime
  #before = 0
  #timer: NodeJS.Timeout | undefined
  /** How many calls of `hold()` keep the process alive. */
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

  /** During a look: when the same one was looked at before, in counted milliseconds; 0 if it never was. */
  get before (): number {
    return this.#before
  }

  add (watched: Watched): void {
    this.#list.add(watched)
    if (this.#timer !== undefined) return
    this.#time.beat(Math.floor(performance.now()))
    // Not in the current request's async context: the timer finds the failures of all requests.
    this.#timer = this.#outside.runInAsyncScope(() => setInterval(() => this.#beat(), this.#resolution))
    if (this.#holds === 0) this.#timer.unref()
  }

  /**
   * Keeps the process alive for what is watched, until `release()`. For a connection that broke unnoticed nothing else does,
   * and code that waits for its end would never be called.
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

  /** Since the last look, something else is being read, or other limits apply. */
  wake (watched: Watched): void {
    this.#list.wake(watched)
  }

  get isWatching (): boolean {
    return this.#list.all.length > 0
  }

  watched (): Iterable<Watched> {
    return this.#list.all
  }

  /** Looks at everything now, so that nothing is left behind once the last connection is closed. */
  sweep (): void {
    if (this.#timer !== undefined) this.#beat(Infinity)
  }

  /** @param due everything that is due before this time is looked at; by default, everything due before the next beat */
  #beat (due?: number): void {
    const now = this.#time.beat(Math.floor(performance.now()))
    clearTimeout(this.#between)
    const round = this.#round(now, now + this.#resolution)
    const { all } = this.#list
    // Backwards: if one is deleted meanwhile, its place is taken by one that was passed already.
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
    // The poll phase comes between a timer and its setImmediate: bytes waiting in the kernel are read before the verdict.
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
   * Judges a few at a time, so that other events get a turn in between: answering a thousand takes a tenth of a second.
   *
   * @param now the time of the look: time that has passed since then doesn't count until the next look
   */
  #judge (nominated: readonly Watched[], now: number, from = 0): void {
    const until = from + VERDICTS_AT_ONCE
    let next = from
    // A hook or a logger of the application may throw out of a verdict: those behind it get theirs all the same.
    try {
      for (const watched of nominated.slice(from, until)) {
        next++
        this.#list.wake(watched)
        watched.judge(now)
      }
    } finally {
      if (next < nominated.length) setImmediate(() => this.#judge(nominated, now, next))
    }
  }
}
