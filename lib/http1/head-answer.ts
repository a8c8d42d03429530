import { STATUS_CODES } from 'node:http'
import { AnswerDeadline } from '../answer/answer-deadline.js'
import { errorBody } from '../answer/error-body.js'
import { ConnectionRead } from '../clock/connection-read.js'
import { causeOf, type ClientErrorReport } from '../node/client-error.js'
import type { ReadError } from '../record/errors.js'
import type { FailedRead } from '../record/recorder.js'
import type { ConnectionHost } from './connection-host.js'
import { closeAfterLinger } from './linger.js'

/** The whole answer to a head that failed, as text: there is no response yet that could write it. */
function answerTo (error: ReadError): string {
  const statusCode = error.statusCode ?? 500
  const body = errorBody(error)
  return `HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode] ?? 'Error'}\r\n` +
    'Content-Type: application/json; charset=utf-8\r\n' +
    `Content-Length: ${Buffer.byteLength(body)}\r\n` +
    `Date: ${new Date().toUTCString()}\r\n` +
    `Connection: close\r\n\r\n${body}`
}

/**
 * The application's `clientErrorHandler` was asked for the answer, and hasn't given it yet. Until it ends the connection, or the
 * time for an answer is over, everything that still comes is thrown away.
 */
class AwaitedAnswer extends ConnectionRead {
  readonly phase = 'lingering'
  readonly #connection: ConnectionHost
  readonly #failed: FailedRead
  readonly #written: number
  readonly #deadline: AnswerDeadline

  constructor (connection: ConnectionHost, failed: FailedRead) {
    super()
    this.#connection = connection
    this.#failed = failed
    this.#written = connection.socket.bytesWritten
    this.#deadline = new AnswerDeadline(connection.guard.options.policy.limits.linger)
  }

  override get isLast (): boolean {
    return true
  }

  look (now: number): number {
    const { socket } = this.#connection
    if (socket.writableEnded || this.#deadline.isPassed(socket.bytesWritten, now)) this.#end()
    return Infinity
  }

  onClientError ({ error }: ClientErrorReport): void {
    if (causeOf(error) === 'gone') this.#connection.socket.destroySoon()
  }

  override onLost (): void {
    this.#record()
  }

  #record (): void {
    this.#failed.write(this.#connection.socket.bytesWritten > this.#written)
  }

  #end (): void {
    this.#record()
    closeAfterLinger(this.#connection, this.#connection.guard.options.policy.limits.linger)
  }
}

/**
 * Answers a head that failed, when it is its turn. The application's own `clientErrorHandler` gives the answer, if there is one.
 * It is the last answer on the connection.
 */
export function answerHead (connection: ConnectionHost, failed: FailedRead): void {
  const { guard, socket } = connection
  const { ownHandlers } = guard
  const wrote = ownHandlers?.ask(failed.error, socket)
  if (wrote === false && ownHandlers?.areAlone === true && !socket.destroyed && !socket.writableEnded) {
    connection.become(new AwaitedAnswer(connection, failed))
    return
  }
  if (wrote === true || socket.destroyed) failed.write(wrote === true)
  else socket.write(answerTo(failed.error), (error) => failed.write(error == null))
  if (!socket.destroyed) closeAfterLinger(connection, guard.options.policy.limits.linger)
}
