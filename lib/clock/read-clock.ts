/** The slowest a read may be: a deadline that bytes extend (a token bucket counted in time). */
export interface MinRate {
  /** Each byte extends the deadline by `1 / bytesPerSecond` seconds. Positive number. */
  readonly bytesPerSecond: number
  /** How far away the deadline is at the start, and at most, in milliseconds. Positive integer. */
  readonly gracePeriod: number
}

/** The three limits of one read; `0` and `false` turn one off. */
export interface ClockLimits {
  /** Counted milliseconds for the whole read. */
  readonly total: number
  /** Counted milliseconds without a byte. */
  readonly idle: number
  readonly minRate: MinRate | false
}

export type Expiry = 'total' | 'idle' | 'rate'

const RUNNING = -1

interface Stops {
  pausedAt: number
  /** Since when idle and rate stand still, in the client's own time. */
  stillSince: number
}

/**
 * Checks one read against its limits: bytes in, counted time in, verdict out. It has no timer and no socket, and never asks
 * what time it is: every `now` is given, in counted milliseconds (see `CountedTime`). Events must be given in order. The
 * verdict may be asked for a moment in the past: bytes that have come since then count for the client.
 *
 * Total, idle and rate are three ways to run out of time. A limit that is reached exactly has run out. Every body under way keeps
 * one, hence few fields, and no `#` method (see `Connection`).
 */
export class ReadClock {
  received = 0
  #limits: ClockLimits
  /** Each pause moves it on by as much as it has lasted, so that no time of a pause counts. */
  #started: number
  /** What had been lost when the read began, less all pauses. */
  #lostBefore: number
  #lastByte = 0
  /** It is only made when needed. */
  #stops: Stops | undefined
  /** When the bucket will be empty, in the client's own time. */
  #emptyAt: number

  /** @param lost milliseconds that this process has lost so far, which no `now` counts */
  constructor (limits: ClockLimits, now: number, lost: number) {
    this.#limits = limits
    this.#started = now
    this.#lostBefore = lost
    this.#emptyAt = limits.minRate === false ? 0 : limits.minRate.gracePeriod
  }

  private get pausedAt (): number {
    return this.#stops?.pausedAt ?? RUNNING
  }

  private get stillSince (): number {
    return this.#stops?.stillSince ?? RUNNING
  }

  private get stops (): Stops {
    this.#stops ??= { pausedAt: RUNNING, stillSince: RUNNING }
    return this.#stops
  }

  /** The client's own time since the read began. */
  elapsed (now: number): number {
    const { pausedAt } = this
    return (pausedAt === RUNNING ? now : pausedAt) - this.#started
  }

  /** Time since the read began in which the client could not be expected to send. */
  paused (now: number, lost: number): number {
    const { pausedAt } = this
    return lost - this.#lostBefore + (pausedAt === RUNNING ? 0 : now - pausedAt)
  }

  /** The client's own time since its last byte. */
  idle (now: number): number {
    return this.elapsed(now) - this.#lastByte
  }

  /** The client may be waiting for us: idle and rate stand still, but the total goes on. `since` as in `pause()`. */
  standStill (since: number): void {
    if (this.stillSince === RUNNING) this.stops.stillSince = Math.max(this.elapsed(since), this.#lastByte)
  }

  /** Idle and rate go on. */
  goOn (now: number): void {
    const { stillSince } = this
    if (stillSince === RUNNING) return
    const stood = Math.max(this.elapsed(now) - stillSince, 0)
    this.#lastByte += stood
    this.#emptyAt += stood
    this.stops.stillSince = RUNNING
  }

  /** The client's own time in which it was expected to send. */
  private awaited (elapsed: number): number {
    const { stillSince } = this
    return stillSince === RUNNING ? elapsed : Math.min(stillSince, elapsed)
  }

  arrive (bytes: number, now: number): void {
    this.goOn(now)
    const elapsed = this.elapsed(now)
    this.received += bytes
    this.#lastByte = elapsed
    const { minRate } = this.#limits
    if (minRate === false) return
    this.#emptyAt = Math.min(elapsed + minRate.gracePeriod, this.#emptyAt + bytes * 1000 / minRate.bytesPerSecond)
  }

  get isPaused (): boolean {
    return this.pausedAt !== RUNNING
  }

  /** @param since may be in the past: bytes that have come since then still count */
  pause (since: number): void {
    if (this.pausedAt === RUNNING) this.stops.pausedAt = Math.max(since, this.#started + this.#lastByte)
  }

  resume (now: number): void {
    const { pausedAt } = this
    if (pausedAt === RUNNING) return
    const lasted = now - pausedAt
    this.#started += lasted
    this.#lostBefore -= lasted
    this.stops.pausedAt = RUNNING
  }

  /** New limits for this read from now on; a changed rate starts with a full bucket. */
  setLimits (limits: ClockLimits, now: number): void {
    this.goOn(now)
    const { minRate } = limits
    if (minRate !== false && minRate !== this.#limits.minRate) this.#emptyAt = this.elapsed(now) + minRate.gracePeriod
    this.#limits = limits
  }

  /** Milliseconds until the first limit runs out if nothing more comes: 0 or less if one has run out, `Infinity` if none will. */
  remaining (now: number): number {
    const { total, idle, minRate } = this.#limits
    const elapsed = this.elapsed(now)
    const awaited = this.awaited(elapsed)
    let remaining = total > 0 ? total - elapsed : Infinity
    if (idle > 0) remaining = Math.min(remaining, idle - awaited + this.#lastByte)
    if (minRate !== false) remaining = Math.min(remaining, this.#emptyAt - awaited)
    return remaining > 0 && this.isPaused ? Infinity : remaining
  }

  /** Which limit ran out first, if one did. */
  expired (now: number): Expiry | undefined {
    const { total, idle, minRate } = this.#limits
    const elapsed = this.elapsed(now)
    let overdue = -1
    let expiry: Expiry | undefined
    if (total > 0 && elapsed - total > overdue && elapsed >= total) {
      overdue = elapsed - total
      expiry = 'total'
    }
    const awaited = this.awaited(elapsed)
    if (idle > 0 && awaited - this.#lastByte >= idle && awaited - this.#lastByte - idle > overdue) {
      overdue = awaited - this.#lastByte - idle
      expiry = 'idle'
    }
    if (minRate !== false && awaited >= this.#emptyAt && awaited - this.#emptyAt > overdue) expiry = 'rate'
    return expiry
  }
}
