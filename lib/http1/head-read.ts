import { ConnectionRead } from '../clock/connection-read.js'
import { ReadClock } from '../clock/read-clock.js'
import { headViolation } from '../limits/client-error-violation.js'
import { headExpiry } from '../limits/expiry.js'
import { isBehindLast, type ClientErrorReport } from '../node/client-error.js'
import { isPausedForAnswers, pendingResponse } from '../node/socket-internals.js'
import { unrouted } from '../record/abort-record.js'
import { clientGone, readFacts, type ReadFacts, type Violation } from '../record/errors.js'
import type { ConnectionHost } from './connection-host.js'
import { answerHead } from './head-answer.js'
import { PendingAnswer } from './linger.js'

/** One header section, counted from the bytes of its connection. It ends when the request is dispatched. */
export class HeadRead extends ConnectionRead {
  readonly #connection: ConnectionHost
  readonly #clock: ReadClock
  readonly #mayBeStray: boolean
  /** Its one record has been written. In `mode: 'observe'` it goes on all the same. */
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

  override get isHead (): boolean {
    return true
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
    // A stray CRLF after all, whose bytes came one by one: no request has begun.
    if (this.#mayBeStray && this.#clock.received === 2) return this.#connection.onStray()
    const violation = headExpiry(expiry, guard.options)
    if (guard.options.policy.limits.mode === 'observe') this.#observe(violation)
    else this.#fail(violation)
  }

  onClientError ({ error, server, socket, pass }: ClientErrorReport): void {
    if (this.#isRecorded) pass()
    else if (isBehindLast(error)) this.#connection.onBehindLast()
    else this.#fail(headViolation(error, server, socket, socket.bytesRead - this.#connection.bytes))
  }

  override onLost (): void {
    const { socket } = this.#connection
    // If a head has begun, 'clientError' reports it. A socket that this process closed says nothing about the client.
    if (!this.#isRecorded && !this.#mayBeStray && socket.readableEnded) this.#fail(clientGone())
  }

  #observe (violation: Violation): void {
    this.#isRecorded = true
    this.#connection.guard.recorder.observe(violation, this.#facts(), this.#origin)
  }

  /** Ends a head that can't be read to its end: answers where an answer can be understood, closes, records. */
  #fail (violation: Violation): void {
    const connection = this.#connection
    const { guard, socket } = connection
    this.#isRecorded = true
    const failed = guard.recorder.fail(violation, this.#facts(), this.#origin)
    if (violation.code === 'FST_READ_ABORTED') {
      // The application's own `clientErrorHandler` is called for a client that has gone, too.
      failed.write(guard.ownHandlers?.ask(failed.error, socket) === true)
      socket.destroy()
    } else if (socket.bytesRead === 0 || !socket.writable) {
      failed.write(false)
      socket.destroy()
    } else if (pendingResponse(socket) === undefined) {
      answerHead(connection, failed)
    } else {
      // An answer written now would be taken for the answer to the previous request.
      connection.become(new PendingAnswer(connection, 'all owed', guard.options.policy.limits.linger, {
        isLast: true,
        onOut: () => answerHead(connection, failed),
        onLost: () => failed.write(false)
      }))
    }
  }

  #sample (now: number): void {
    const { socket, bytes } = this.#connection
    if (socket.isPaused() && !isPausedForAnswers(socket)) this.#clock.pause(now)
    else this.#clock.resume(now)
    const taking = this.#connection.answersTakenSince(now)
    if (taking !== undefined) {
      this.#clock.pause(taking)
      this.#clock.resume(now)
    }
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
