import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { AnswerDeadline } from '../answer/answer-deadline.js'
import { LingerBounds, mostDiscarded } from '../answer/linger-bounds.js'
import { ConnectionRead } from '../clock/connection-read.js'
import type { LingerOptions } from '../limits/options.js'
import { causeOf, type ClientErrorReport } from '../node/client-error.js'
import { forget, isAnswerOut } from '../node/response-internals.js'
import { pendingResponse } from '../node/socket-internals.js'
import type { ConnectionHost } from './connection-host.js'

/**
 * Reads and throws away what the client still sends after its answer was given. Closing at once would reset the connection, and
 * destroy the answer on its way (RFC 9112 §9.6).
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
    // Node would keep these requests, and a single read of the socket may bring thousands, even after it was destroyed.
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
  /** A response that is queued behind those that are owed, and will never be sent. */
  readonly late?: ServerResponse
  /** Called when the answer is out, instead of lingering: closes the connection. */
  readonly onOut?: () => void
  /** Called if the connection is lost before the answer is out, or if an earlier answer was the last. */
  readonly onLost?: () => void
}

/**
 * A request is over while its answer, or an earlier one, is still on its way. That answer isn't cut off: lingering begins when
 * it is out. Until then everything that comes is read and thrown away, because a paused socket doesn't show that its client has
 * gone. After as many bytes as `linger` allows the socket is paused nevertheless, but for no longer than `linger` allows.
 */
export class PendingAnswer extends ConnectionRead {
  readonly phase = 'lingering'
  readonly #connection: ConnectionHost
  readonly #awaited: ServerResponse | 'all owed'
  #linger: LingerOptions | false
  readonly #options: PendingAnswerOptions
  readonly #mostBytes: number
  /** Begins when so many bytes have come that no more are read. */
  #held: AnswerDeadline | undefined
  /** The response to the first late request. It will never be sent: the answers before it are the last. */
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

  /** The guard's own answer would follow the last one, so it isn't sent (RFC 9112 §9.6). */
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
   * A client that has sent a FIN may still read what is on its way, but sends nothing to linger for. An answer that hasn't been
   * given yet isn't waited for: for a client that has ended its side, Node doesn't wait either.
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

  /** Whether the application is closing while the client doesn't take its answer: that must not hold up the application. */
  get #isLeftBehind (): boolean {
    const { guard, socket } = this.#connection
    return guard.closing && this.#awaited !== 'all owed' && this.#awaited.writableEnded && pendingResponse(socket) === this.#awaited
  }
}

/** The last answer has been given, and `linger` is off. Nothing that still comes is a request, and the socket closes. */
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

/** Closes a connection whose last answer is out, or won't be sent. Until then it reads what still comes, as `linger` allows. */
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
