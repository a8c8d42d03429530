import { ConnectionRead } from '../clock/connection-read.js'
import { ReadClock } from '../clock/read-clock.js'
import { handshakeViolation } from '../limits/client-error-violation.js'
import type { ClientErrorReport } from '../node/client-error.js'
import { unrouted } from '../record/abort-record.js'
import { clientGone, readFacts, type Violation } from '../record/errors.js'
import type { ConnectionHost } from './connection-host.js'

/** A TLS handshake, from accept to 'secureConnection'. No answer can be sent before it is over. */
export class HandshakeRead extends ConnectionRead {
  readonly phase = 'handshake'
  readonly #connection: ConnectionHost
  readonly #clock: ReadClock
  #isObserved = false

  constructor (connection: ConnectionHost, now: number) {
    super()
    this.#connection = connection
    this.#clock = new ReadClock({ total: connection.guard.options.handshakeTimeout, idle: 0, minRate: false }, now, connection.guard.heartbeat.lost)
  }

  look (now: number): number {
    const arrived = this.#connection.socket.bytesRead - this.#clock.received
    if (arrived > 0) this.#clock.arrive(arrived, now)
    return this.#isObserved ? Infinity : this.#clock.remaining(now)
  }

  override judge (now: number): void {
    if (this.look(now) > 0 || this.#clock.isPaused) return
    const { handshakeTimeout, policy } = this.#connection.guard.options
    const violation: Violation = { code: 'FST_READ_HANDSHAKE_TIMEOUT', limit: handshakeTimeout }
    if (policy.limits.mode === 'observe') this.#observe(violation)
    else this.#fail(violation)
  }

  onClientError ({ error, socket, pass }: ClientErrorReport): void {
    this.#fail(handshakeViolation(error, socket))
    pass()
  }

  override onApplicationWaitedFor (): void {
    this.#clock.pause(this.#connection.guard.heartbeat.now())
  }

  override onResume (): void {
    this.#clock.resume(this.#connection.guard.heartbeat.now())
    this.#connection.wake()
  }

  override onLost (): void {
    const { socket } = this.#connection
    if (socket.readableEnded || socket.errored !== null) this.#fail(clientGone(socket.errored))
  }

  #observe (violation: Violation): void {
    this.#isObserved = true
    this.#connection.guard.recorder.observe(violation, this.#facts(), this.#origin)
  }

  /** The handshake can't be finished. The socket is closed here, because other listeners may leave it open. */
  #fail (violation: Violation): void {
    const { guard, socket } = this.#connection
    if (!this.#isObserved) guard.recorder.fail(violation, this.#facts(), this.#origin).write(false)
    this.#connection.release()
    socket.destroy()
  }

  #facts (): ReturnType<typeof readFacts> {
    return readFacts('handshake', undefined, this.#connection.socket.bytesRead, this.#clock, this.#connection.guard.heartbeat)
  }

  get #origin () {
    return { ...unrouted, ...this.#connection.peer, tls: true }
  }
}
