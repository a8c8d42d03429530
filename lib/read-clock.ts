/** The slowest a read may be, as a token bucket counted in time. */
export interface MinRate {
  /** Every byte buys `1 / bytesPerSecond` seconds. Positive number. */
  readonly bytesPerSecond: number
  /** How much can be saved up, in milliseconds, and what a read starts with. Positive integer. */
  readonly gracePeriod: number
}

/** The three limits one read is held against. `0` and `false` turn one off. */
export interface ClockLimits {
  /** Counted milliseconds for the whole read. */
  readonly total: number
  /** Counted milliseconds without a byte. */
  readonly idle: number
  readonly minRate: MinRate | false
}

export type Expiry = 'total' | 'idle' | 'rate'

const RUNNING = -1

/**
 * One read against its limits: bytes in, counted time in, verdict out. It has no timer and no socket, and never asks
 * what time it is: every `now` is given, in counted milliseconds (see `CountedTime`), and must not decrease.
 *
 * Total, idle and rate are three ways to run out of time. A limit that is reached exactly has run out.
 */
export class ReadClock {
  received = 0
  #limits: ClockLimits
  readonly #started: number
  #pausedTotal = 0
  #pausedAt = RUNNING
  #lastByte = 0
  /** Milliseconds of the client's time left in the bucket, as of `#balanceAt`. */
  #balance: number
  #balanceAt = 0

  constructor (limits: ClockLimits, now: number) {
    this.#limits = limits
    this.#started = now
    this.#balance = limits.minRate === false ? 0 : limits.minRate.gracePeriod
  }

  /** The client's own time since the read began. */
  elapsed (now: number): number {
    return (this.#pausedAt === RUNNING ? now : this.#pausedAt) - this.#started - this.#pausedTotal
  }

  /** Time since the read began in which the client could not be expected to send. */
  paused (now: number): number {
    return this.#pausedTotal + (this.#pausedAt === RUNNING ? 0 : now - this.#pausedAt)
  }

  /** The client's own time since its last byte. */
  idle (now: number): number {
    return this.elapsed(now) - this.#lastByte
  }

  arrive (bytes: number, now: number): void {
    const elapsed = this.elapsed(now)
    this.received += bytes
    this.#lastByte = elapsed
    const { minRate } = this.#limits
    if (minRate === false) return
    const left = this.#balance - (elapsed - this.#balanceAt)
    this.#balance = Math.min(minRate.gracePeriod, left + bytes * 1000 / minRate.bytesPerSecond)
    this.#balanceAt = elapsed
  }

  get isPaused (): boolean {
    return this.#pausedAt !== RUNNING
  }

  pause (now: number): void {
    if (this.#pausedAt === RUNNING) this.#pausedAt = now
  }

  resume (now: number): void {
    if (this.#pausedAt === RUNNING) return
    this.#pausedTotal += now - this.#pausedAt
    this.#pausedAt = RUNNING
  }

  /** New limits for this read from now on; a changed rate starts with a full bucket. */
  setLimits (limits: ClockLimits, now: number): void {
    const { minRate } = limits
    if (minRate !== false && minRate !== this.#limits.minRate) {
      this.#balance = minRate.gracePeriod
      this.#balanceAt = this.elapsed(now)
    }
    this.#limits = limits
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
    if (idle > 0 && elapsed - this.#lastByte >= idle && elapsed - this.#lastByte - idle > overdue) {
      overdue = elapsed - this.#lastByte - idle
      expiry = 'idle'
    }
    if (minRate !== false) {
      const left = this.#balance - (elapsed - this.#balanceAt)
      if (left <= 0 && -left > overdue) expiry = 'rate'
    }
    return expiry
  }
}
