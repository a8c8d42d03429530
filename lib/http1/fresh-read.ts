import { ConnectionRead } from '../clock/connection-read.js'
import { ReadClock } from '../clock/read-clock.js'
import { isApplicationError, type ClientErrorReport } from '../node/client-error.js'
import { isAwaitedByWrapper, keepAliveTimeoutOf, speaksHttp1 } from '../node/internals.js'
import { unrouted } from '../record/abort-record.js'
import { clientGone, readFacts, type Violation } from '../record/errors.js'
import type { ConnectionHost } from './connection-host.js'

/**
 * A connection on which nothing was received yet. Browsers and load balancers open them ahead of need: they have the time
 * that is given between two requests, or that of a head, whichever is longer. It is closed without an answer.
 *
 * A wrapper of the server (PROXY protocol) may hand the connection to Node's parser later than it was accepted. What comes
 * before that is the wrapper's, and no head: until then the client has the time of a silent one, whatever it sends. Only the
 * time in which the wrapper waits for more is the client's: while it works, or lets bytes lie, nothing is counted.
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
    // Nobody waits for its first request any more.
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
    // A wrapper may have closed it, for what its client sent.
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
