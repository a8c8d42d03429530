import { STATUS_CODES } from 'node:http'
import { errorBody } from '../answer/error-body.js'
import { ConnectionRead } from '../clock/connection-read.js'
import { ReadClock } from '../clock/read-clock.js'
import { headViolation } from '../limits/client-error-violation.js'
import { headExpiry } from '../limits/expiry.js'
import type { ClientErrorReport } from '../node/client-error.js'
import { isPausedForAnswers, pendingResponse } from '../node/internals.js'
import { unrouted } from '../record/abort-record.js'
import { clientGone, readFacts, type ReadError, type ReadFacts, type Violation } from '../record/errors.js'
import type { ConnectionHost } from './connection-host.js'
import { closeAfterLinger, PendingAnswer } from './linger.js'

/** The whole answer to a head that failed: there is no response yet that could write it. */
function answerTo (error: ReadError): string {
  const statusCode = error.statusCode ?? 500
  const body = errorBody(error)
  return `HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode] ?? 'Error'}\r\n` +
    'Content-Type: application/json; charset=utf-8\r\n' +
    `Content-Length: ${Buffer.byteLength(body)}\r\n` +
    `Date: ${new Date().toUTCString()}\r\n` +
    `Connection: close\r\n\r\n${body}`
}

/** One header section, counted from the bytes of its connection. It ends when the request is dispatched. */
export class HeadRead extends ConnectionRead {
  readonly #connection: ConnectionHost
  readonly #clock: ReadClock
  readonly #mayBeStray: boolean
  /** Its one record is written; where it goes on nevertheless, it is observed. */
  #isRecorded = false

  /** @param mayBeStray whether two bytes of it may be the CRLF that RFC 9112 §2.2 has servers ignore */
  constructor (connection: ConnectionHost, now: number, { mayBeStray }: { readonly mayBeStray: boolean }) {
    super()
    const { options, heartbeat } = connection.guard
    this.#connection = connection
    this.#clock = new ReadClock(options.headClock, now, heartbeat.lost)
    this.#mayBeStray = mayBeStray
  }

  get phase (): 'headers' {
    return 'headers'
  }

  look (now: number): number {
    if (this.#isRecorded) return Infinity
    this.#sample(now)
    return Math.min(this.#clock.remaining(now), this.#connection.guard.options.headSampling)
  }

  override judge (now: number): void {
    this.#sample(now)
    const expiry = this.#clock.expired(now)
    if (expiry === undefined || this.#isRecorded) return
    const { guard } = this.#connection
    // A stray CRLF after all, whose bytes came one by one: the client owes nothing.
    if (this.#mayBeStray && this.#clock.received === 2) return this.#connection.onStray()
    const violation = headExpiry(expiry, guard.options)
    if (guard.options.policy.limits.mode === 'observe') this.#observe(violation)
    else this.#fail(violation)
  }

  onClientError ({ error, server, socket, askApplication, pass }: ClientErrorReport): void {
    if (this.#isRecorded) pass()
    else this.#fail(headViolation(error, server, socket, socket.bytesRead - this.#connection.bytes), askApplication)
  }

  override onLost (): void {
    const { socket } = this.#connection
    // A head that has begun is told of by 'clientError'; a socket that this process closed says nothing about the client.
    if (!this.#isRecorded && !this.#mayBeStray && socket.readableEnded) this.#fail(clientGone())
  }

  #observe (violation: Violation): void {
    this.#isRecorded = true
    this.#connection.guard.recorder.observe(violation, this.#facts(), this.#origin)
  }

  /**
   * Ends a head that can't be read to its end: answers where an answer can be understood, closes, records.
   *
   * @param askApplication has the application answer in the guard's place, and tells whether it did
   */
  #fail (violation: Violation, askApplication?: () => boolean): void {
    const connection = this.#connection
    const { guard, socket } = connection
    this.#isRecorded = true
    const failed = guard.recorder.fail(violation, this.#facts(), this.#origin)
    const { linger } = guard.options.policy.limits
    const answer = (): void => {
      if (askApplication !== undefined) failed.write(askApplication())
      else socket.write(answerTo(failed.error), (error) => failed.write(error == null))
      if (!socket.destroyed) closeAfterLinger(connection, linger)
    }
    if (violation.code === 'FST_READ_ABORTED' || socket.bytesRead === 0 || !socket.writable) {
      // A `clientErrorHandler` of the application's hears of these, too.
      failed.write(askApplication?.() ?? false)
      socket.destroy()
    } else if (pendingResponse(socket) === undefined) {
      answer()
    } else {
      // An answer written now would be taken for that of the request before.
      connection.become(new PendingAnswer(connection, 'all owed', linger, { isLast: true, onOut: answer, onLost: () => failed.write(false) }))
    }
  }

  #sample (now: number): void {
    const { socket, bytes } = this.#connection
    if (socket.isPaused() && !isPausedForAnswers(socket)) this.#clock.pause(now)
    else this.#clock.resume(now)
    const arrived = socket.bytesRead - bytes - this.#clock.received
    if (arrived > 0) this.#clock.arrive(arrived, now)
  }

  #facts (): ReadFacts {
    const { heartbeat } = this.#connection.guard
    this.#sample(heartbeat.now())
    return readFacts('headers', undefined, this.#clock.received, this.#clock, heartbeat)
  }

  get #origin () {
    return { ...unrouted, ...this.#connection.peer }
  }
}
