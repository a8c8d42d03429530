import type { Connection } from './connection.js'
import type { ConnectionRead } from '../clock/connection-read.js'
import { failHead } from './head-ending.js'
import { headExpiry } from '../limits/expiry.js'
import { readFacts, type ReadFacts, type Violation } from '../record/errors.js'
import { ReadClock } from '../clock/read-clock.js'

/** One header section, counted from the bytes of its connection. It ends when the request is dispatched. */
export class HeadRead implements ConnectionRead {
  readonly #connection: Connection
  readonly #clock: ReadClock
  readonly #mayBeStray: boolean
  /** Its one record is written; where it goes on nevertheless, it is observed. */
  recorded = false

  /** @param mayBeStray whether two bytes of it may be the CRLF that RFC 9112 §2.2 has servers ignore */
  constructor (connection: Connection, now: number, mayBeStray: boolean) {
    const { options, heartbeat } = connection.guard
    this.#connection = connection
    this.#clock = new ReadClock(options.headClock, now, heartbeat.lost)
    this.#mayBeStray = mayBeStray
  }

  get phase (): 'headers' {
    return 'headers'
  }

  look (now: number): number {
    if (this.recorded) return Infinity
    this.sample(now)
    return Math.min(this.#clock.left(now), this.#connection.guard.options.headSampling)
  }

  judge (now: number): void {
    this.sample(now)
    const expiry = this.#clock.expired(now)
    if (expiry === undefined || this.recorded) return
    const { guard } = this.#connection
    if (this.#mayBeStray && this.#clock.received === 2) {
      // A stray CRLF after all, whose bytes came one by one: the client owes nothing.
      this.#connection.stray()
      return
    }
    this.fail(headExpiry(expiry, guard.options), guard.options.policy.limits.mode === 'observe')
  }

  /**
   * The head can't be read to its end: the clock, the parser or the network said so.
   * @param answer gives the answer in the guard's place, and tells whether one was given
   */
  fail (violation: Violation, observe = false, answer?: () => boolean): void {
    const now = this.#connection.guard.heartbeat.now()
    this.sample(now)
    this.recorded = true
    failHead(this.#connection, violation, this.facts(now), observe, answer)
  }

  lost (): void {
    const { socket } = this.#connection
    // A head that has begun is told of by 'clientError'; a socket that this process closed says nothing about the client.
    if (!this.recorded && !this.#mayBeStray && socket.readableEnded) this.fail({ code: 'FST_READ_ABORTED' })
  }

  private sample (now: number): void {
    const { socket, bytes } = this.#connection
    if (socket.isPaused()) this.#clock.pause(now)
    else this.#clock.resume(now)
    const arrived = socket.bytesRead - bytes - this.#clock.received
    if (arrived > 0) this.#clock.arrive(arrived, now)
  }

  private facts (now: number): ReadFacts {
    const clock = this.#clock
    return readFacts('headers', undefined, clock.received, clock.elapsed(now), clock.paused(now, this.#connection.guard.heartbeat.lost), clock.idle(now))
  }
}
