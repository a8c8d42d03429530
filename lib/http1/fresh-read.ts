import { ConnectionRead } from '../clock/connection-read.js'
import { ReadClock } from '../clock/read-clock.js'
import { isApplicationError, type ClientErrorReport } from '../node/client-error.js'
import { isAwaitedByWrapper, keepAliveTimeoutOf, speaksHttp1 } from '../node/socket-internals.js'
import { unrouted } from '../record/abort-record.js'
import { clientGone, readFacts, type Violation } from '../record/errors.js'
import type { ConnectionHost } from './connection-host.js'

/**
 * A connection on which nothing has been received yet. Browsers and load balancers open such connections ahead of need, so the
 * client has as long as Node's `keepAliveTimeout` or `headersTimeout`, whichever is longer. Then it is closed without an answer.
 *
 * A wrapper of the server (PROXY protocol) may hand the connection to Node's parser some time after it was accepted. Bytes that
 * come before that are for the wrapper, and no head: whatever the client sends, it has as long as a silent one. Time only counts
 * while the wrapper waits for more bytes, not while it works or leaves bytes unread.
 */
export class FreshRead extends ConnectionRead {
  readonly phase = undefined
  readonly #connection: ConnectionHost
  readonly #clock: ReadClock
  readonly #limit: number
  /** Node's parser has, or had, the connection. */
  #isParsed: boolean
  #isObserved = false

  constructor (connection: ConnectionHost, now: number) {
    super()
    const { options, heartbeat } = connection.guard
    this.#connection = connection
    this.#isParsed = speaksHttp1(connection.socket)
    this.#limit = Math.max(options.headersTimeout, keepAliveTimeoutOf(connection.socket))
    this.#clock = new ReadClock({ total: this.#limit, idle: 0, minRate: false }, now, heartbeat.lost)
  }

  override get isHead (): boolean {
    return true
  }

  look (now: number): number {
    const { socket } = this.#connection
    this.#isParsed ||= speaksHttp1(socket)
    if (this.#isParsed && socket.bytesRead > 0) return this.#connection.beginHead(now, { mayBeStray: false }).look(now)
    if (this.#isParsed || isAwaitedByWrapper(socket)) this.#clock.resume(now)
    else this.#clock.pause(now)
    if (this.#clock.isPaused) return Infinity
    // A closing application doesn't wait for a first request.
    if (this.#connection.guard.closing) return 0
    const remaining = this.#clock.remaining(now)
    // The first byte is looked for at every beat.
    return remaining > 0 || this.#isObserved ? Infinity : remaining
  }

  override judge (now: number): void {
    const { guard, socket } = this.#connection
    this.#isParsed ||= speaksHttp1(socket)
    if (this.#isParsed ? socket.bytesRead > 0 : !isAwaitedByWrapper(socket)) return
    if (guard.closing) return this.#close()
    if (this.#clock.expired(now) === undefined || this.#isObserved) return
    const violation: Violation = { code: 'FST_READ_HEADERS_TIMEOUT', limit: this.#limit }
    if (guard.options.policy.limits.mode === 'observe') this.#observe(violation)
    else this.#fail(violation)
  }

  onClientError (report: ClientErrorReport): void {
    this.#connection.beginHead(this.#connection.guard.heartbeat.now(), { mayBeStray: false }).onClientError(report)
  }

  override onLost (): void {
    const { socket } = this.#connection
    // A wrapper may have closed it because of what the client sent.
    const isGone = socket.readableEnded || (socket.errored !== null && !isApplicationError(socket.errored))
    if (!this.#isObserved && isGone) this.#fail(clientGone(socket.errored))
  }

  #observe (violation: Violation): void {
    this.#isObserved = true
    this.#connection.guard.recorder.observe(violation, this.#facts(), this.#origin)
  }

  #fail (violation: Violation): void {
    this.#connection.guard.recorder.fail(violation, this.#facts(), this.#origin).write(false)
    this.#close()
  }

  #close (): void {
    this.#connection.release()
    this.#connection.socket.destroy()
  }

  #facts (): ReturnType<typeof readFacts> {
    return readFacts('headers', undefined, this.#connection.socket.bytesRead, this.#clock, this.#connection.guard.heartbeat)
  }

  get #origin () {
    return { ...unrouted, ...this.#connection.peer }
  }
}
