import { abortRecord, unrouted } from '../record/abort-record.js'
import type { Connection } from './connection.js'
import type { ConnectionRead } from '../clock/connection-read.js'
import { readError, readFacts, type Violation } from '../record/errors.js'
import { ReadClock } from '../clock/read-clock.js'

/** A TLS handshake, from accept to 'secureConnection'. Nothing can be answered before it is over. */
export class HandshakeRead implements ConnectionRead {
  readonly phase = 'handshake'
  readonly #connection: Connection
  readonly #clock: ReadClock
  #observed = false

  constructor (connection: Connection, now: number) {
    this.#connection = connection
    this.#clock = new ReadClock({ total: connection.guard.options.handshakeTimeout, idle: 0, minRate: false }, now, connection.guard.heartbeat.lost)
  }

  look (now: number): number {
    const arrived = this.#connection.socket.bytesRead - this.#clock.received
    if (arrived > 0) this.#clock.arrive(arrived, now)
    return this.#observed ? Infinity : this.#clock.left(now)
  }

  judge (now: number): void {
    if (this.look(now) > 0) return
    const { handshakeTimeout, policy } = this.#connection.guard.options
    this.#observed = policy.limits.mode === 'observe'
    this.fail({ code: 'FST_READ_HANDSHAKE_TIMEOUT', limit: handshakeTimeout }, this.#observed)
  }

  /** The handshake can't be finished. Whoever else hears of it may leave the socket alone: it is closed here. */
  fail (violation: Violation, observed = false): void {
    const connection = this.#connection
    const { guard, socket } = connection
    const now = guard.heartbeat.now()
    const clock = this.#clock
    const error = readError(violation, readFacts('handshake', undefined, socket.bytesRead, clock.elapsed(now), clock.paused(now, guard.heartbeat.lost), clock.idle(now)))
    if (violation.code === 'FST_READ_ABORTED') error.statusCode = guard.options.abortStatusCode
    else delete error.statusCode
    if (observed || !this.#observed) {
      const origin = { ...unrouted, ...connection.peer, tls: true }
      guard.journal.write(abortRecord(error, origin, { answered: false, observed, time: new Date().toISOString() }), undefined)
    }
    if (observed) return
    connection.release()
    socket.destroy()
  }

  lost (): void {
    const { socket } = this.#connection
    if (socket.readableEnded || socket.errored !== null) this.fail({ code: 'FST_READ_ABORTED', cause: socket.errored ?? undefined })
  }
}
