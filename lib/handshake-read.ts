import type { Connection, ConnectionRead } from './connection.js'
import { failHead } from './head-ending.js'
import { readFacts, type Violation } from './errors.js'
import { ReadClock } from './read-clock.js'

/** A TLS handshake, from accept to 'secureConnection'. Nothing can be answered before it is over. */
export class HandshakeRead implements ConnectionRead {
  readonly phase = 'handshake'
  readonly #connection: Connection
  readonly #clock: ReadClock
  #observed = false

  constructor (connection: Connection, now: number) {
    this.#connection = connection
    this.#clock = new ReadClock({ total: connection.guard.options.handshakeTimeout, idle: 0, minRate: false }, now)
  }

  look (now: number): boolean {
    return !this.#observed && this.#clock.expired(now) !== undefined
  }

  judge (now: number): void {
    if (!this.look(now)) return
    const { options } = this.#connection.guard
    this.#observed = options.policy.limits.mode === 'observe'
    this.fail({ code: 'FST_READ_HANDSHAKE_TIMEOUT', limit: options.handshakeTimeout }, this.#observed)
  }

  fail (violation: Violation, observe = false): void {
    const { guard, socket } = this.#connection
    const now = guard.heartbeat.now()
    const clock = this.#clock
    const idle = clock.elapsed(now)
    failHead(this.#connection, violation, readFacts('handshake', undefined, socket.bytesRead, clock.elapsed(now), clock.paused(now), idle), observe)
  }

  lost (): void {
    const { socket } = this.#connection
    if (socket.readableEnded || socket.errored !== null) this.fail({ code: 'FST_READ_ABORTED', cause: socket.errored ?? undefined })
  }
}
