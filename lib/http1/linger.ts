import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { AnswerDeadline } from '../answer/answer-deadline.js'
import { LingerBounds, mostDiscarded } from '../answer/linger-bounds.js'
import { ConnectionRead } from '../clock/connection-read.js'
import type { LingerOptions } from '../limits/options.js'
import { causeOf, type ClientErrorReport } from '../node/client-error.js'
import { forget, isAnswerOut, pendingResponse } from '../node/internals.js'
import type { ConnectionHost } from './connection-host.js'

/**
 * What the client still sends after its answer was given is read and thrown away, so that closing does not reset the
 * connection and destroy the answer on its way (RFC 9112 §9.6).
 */
export class Linger extends ConnectionRead {
  readonly phase = 'lingering'
  readonly #socket: Socket
  readonly #bounds: LingerBounds
  readonly #owes: boolean
  #isLast = false
  #cameLate = false

  /** @param owes whether there are requests that will get no answer */
  constructor ({ guard, socket }: ConnectionHost, bounds: LingerOptions, { owes }: { readonly owes: boolean }) {
    super()
    this.#socket = socket
    this.#owes = owes
    this.#bounds = new LingerBounds(guard, bounds, socket.bytesRead)
    socket.resume()
  }

  /** Whether the answer was the connection's last. */
  override get isLast (): boolean {
    return this.#isLast
  }

  /** The answer was the last: tells the client so, and keeps reading. */
  override halfClose (): boolean {
    this.#isLast = true
    // Ending twice makes an error that has no listener.
    if (!this.#socket.writableEnded) this.#socket.end()
    return true
  }

  override onDiscarded (): void {
    if (this.#bounds.reached(this.#socket.bytesRead)) this.#socket.destroy()
  }

  onClientError ({ error }: ClientErrorReport): void {
    if (causeOf(error) === 'gone') this.#socket.destroySoon()
    else this.onDiscarded()
  }

  /** The first late request may have crossed our answer; a second one ends the connection. */
  override onLateRequest (response: ServerResponse): void {
    if (this.#cameLate) this.#socket.destroy()
    this.#cameLate = true
    // A single read brings thousands of them, also after the end.
    if (!this.#owes && pendingResponse(this.#socket) === response) forget(response)
  }

  look (): number {
    if (this.#bounds.reachedByNextLook(this.#socket.bytesRead)) this.#socket.destroy()
    return Infinity
  }
}

interface PendingAnswerOptions {
  /** Whether nothing that comes after it is a request. */
  readonly isLast: boolean
  /** A response that is queued behind those that are owed, and will not be given. */
  readonly late?: ServerResponse
  /** Closes, in the place of lingering. */
  readonly onOut?: () => void
  /** The connection is lost before the answer is out, or the one before it was the last. */
  readonly onLost?: () => void
}

/**
 * A request is over while its answer, or one before it, is still on its way. That is not cut off: lingering begins when it
 * is out. Until then what comes is read and thrown away: a socket that is paused does not show that its client has gone. Past
 * the bytes of lingering it is paused nevertheless, but not for longer than lingering may take.
 */
export class PendingAnswer extends ConnectionRead {
  readonly phase = 'lingering'
  readonly #connection: ConnectionHost
  readonly #awaited: ServerResponse | 'all owed'
  #linger: LingerOptions | false
  readonly #options: PendingAnswerOptions
  readonly #mostBytes: number
  /** Runs since so many bytes came that no more are read. */
  #held: AnswerDeadline | undefined
  /** That of the first late request, which will not be given: the answers before it were the last. */
  #late: ServerResponse | undefined

  constructor (connection: ConnectionHost, awaited: ServerResponse | 'all owed', linger: LingerOptions | false, options: PendingAnswerOptions) {
    super()
    this.#connection = connection
    this.#awaited = awaited
    this.#linger = linger
    this.#options = options
    this.#late = options.late
    this.#mostBytes = connection.socket.bytesRead + mostDiscarded(linger)
  }

  override get isLast (): boolean {
    return this.#options.isLast
  }

  override onLateRequest (response: ServerResponse): void {
    this.#late ??= response
  }

  override onDiscarded (): void {
    const { socket } = this.#connection
    if (socket.bytesRead < this.#mostBytes) return
    this.#held ??= new AnswerDeadline(this.#linger)
    socket.pause()
  }

  onClientError ({ error }: ClientErrorReport): void {
    if (causeOf(error) === 'gone') this.#onClientEnded()
    else this.onDiscarded()
  }

  override onAnswered (): void {
    const connection = this.#connection
    if (this.#options.onOut !== undefined) return this.#options.onOut()
    if (this.#linger === false) {
      connection.become(new Closing(connection))
      connection.socket.destroySoon()
      return
    }
    const lingering = new Linger(connection, this.#linger, { owes: this.#owes })
    connection.become(lingering)
    if (this.isLast) lingering.halfClose()
  }

  /** An answer of our own would stand behind the last one (RFC 9112 §9.6). */
  override onLastAnswered (): void {
    if (this.#options.onOut === undefined) return this.onAnswered()
    this.onLost()
    closeAfterLinger(this.#connection, this.#linger)
  }

  override onLost (): void {
    this.#options.onLost?.()
  }

  look (now: number): number {
    if (this.#connection.socket.readableEnded) this.#onClientEnded()
    if (this.#isOut || this.#isLeftBehind) this.onAnswered()
    else if (this.#held?.isPassed(0, now) === true) this.#connection.socket.destroy()
    return Infinity
  }

  /**
   * A client that has sent a FIN may still read what is on its way; there is nothing to linger for. An answer that has not
   * been given yet is not waited for, as Node does not wait for it with any client that has ended its side.
   */
  #onClientEnded (): void {
    const { socket } = this.#connection
    this.#linger = false
    if (pendingResponse(socket)?.writableEnded === false) socket.destroySoon()
  }

  get #isOut (): boolean {
    const pending = pendingResponse(this.#connection.socket)
    if (this.#awaited === 'all owed') return pending === undefined || pending === this.#late
    // A response that was destroyed before its turn will never be out: those before it were the last.
    return isAnswerOut(this.#awaited) || (this.#awaited.destroyed && (pending === undefined || pending === this.#awaited || pending === this.#late))
  }

  get #owes (): boolean {
    return this.#late !== undefined || (this.#awaited !== 'all owed' && !isAnswerOut(this.#awaited))
  }

  /** A client that does not take an answer does not keep the application from closing. */
  get #isLeftBehind (): boolean {
    const { guard, socket } = this.#connection
    return guard.closing && this.#awaited !== 'all owed' && this.#awaited.writableEnded && pendingResponse(socket) === this.#awaited
  }
}

/** The last answer has been given, and nothing is lingered for: what still comes is no request, and the socket closes. */
export class Closing extends ConnectionRead {
  readonly phase = 'lingering'
  readonly #connection: ConnectionHost

  constructor (connection: ConnectionHost) {
    super()
    this.#connection = connection
  }

  override get isLast (): boolean {
    return true
  }

  onClientError ({ error }: ClientErrorReport): void {
    if (causeOf(error) === 'gone') this.#connection.socket.destroySoon()
  }

  look (): number {
    return Infinity
  }
}

/** The last answer of the connection is out, or was never to be: what the client still sends is read within the bounds. */
export function closeAfterLinger (connection: ConnectionHost, linger: LingerOptions | false): void {
  if (linger === false) {
    connection.become(new Closing(connection))
    connection.socket.destroySoon()
    return
  }
  const lingering = new Linger(connection, linger, { owes: false })
  connection.become(lingering)
  lingering.halfClose()
}
