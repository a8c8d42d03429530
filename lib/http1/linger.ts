import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Connection } from './connection.js'
import type { ConnectionRead } from '../clock/connection-read.js'
import type { Guard } from '../guard.js'
import { forget, isFinished, pendingResponse } from '../node/internals.js'
import type { LingerOptions } from '../limits/resolve.js'

/** A timer comes so many milliseconds late without being late. */
const LATE = 10

/** How far lingering goes, in bytes and in time. */
export class LingerBounds {
  readonly #bytes: number
  readonly #until: number
  readonly #nextLook: number

  /** @param read bytes that were read before */
  constructor (guard: Guard, { timeout, bytes }: LingerOptions, read: number) {
    guard.lingered++
    this.#bytes = read + bytes
    this.#until = performance.now() + timeout
    this.#nextLook = guard.options.resolution + LATE
  }

  /** Asked as bytes come: a fast client gets no further than one read, also where the looks are late. */
  reached (read: number, ahead = 0): boolean {
    return read >= this.#bytes || performance.now() + ahead >= this.#until
  }

  /** The look that would come after the bound is too late. */
  reachedByNextLook (read: number): boolean {
    return this.reached(read, this.#nextLook)
  }
}

/**
 * What the client still sends after its answer was given is read and thrown away, so that closing does not reset the
 * connection and destroy the answer on its way (RFC 9112 §9.6).
 */
export class Linger implements ConnectionRead {
  readonly phase = 'lingering'
  readonly #socket: Socket
  readonly #bounds: LingerBounds
  /** Whether the answer was the connection's last. */
  last = false
  readonly #owes: boolean
  #tooLate = false

  /** @param owes whether there are requests that will get no answer */
  constructor ({ guard, socket }: Connection, bounds: LingerOptions, owes = false) {
    this.#socket = socket
    this.#owes = owes
    this.#bounds = new LingerBounds(guard, bounds, socket.bytesRead)
    socket.resume()
  }

  /** The answer was the last: tell the client so, and keep reading. */
  halfClose (): void {
    this.last = true
    // Ending twice makes an error that nobody sees.
    if (!this.#socket.writableEnded) this.#socket.end()
  }

  arrived (): void {
    if (this.#bounds.reached(this.#socket.bytesRead)) this.#socket.destroy()
  }

  /** One request may have been under way; who makes another has seen the answer, or never will. */
  tooLate (response: ServerResponse): void {
    if (this.#tooLate) this.#socket.destroy()
    this.#tooLate = true
    // A single read brings thousands of them, also after the end.
    if (!this.#owes && pendingResponse(this.#socket) === response) forget(response)
  }

  look (): number {
    if (this.#bounds.reachedByNextLook(this.#socket.bytesRead)) this.#socket.destroy()
    return Infinity
  }

  judge (): void {}
}

/**
 * A request is over while its answer, or one before it, is still on its way. That is not cut off: lingering begins when it
 * is out. Until then no more is read than has come.
 */
export class AnswerOnItsWay implements ConnectionRead {
  readonly phase = 'lingering'
  readonly #connection: Connection
  readonly #response: ServerResponse | undefined
  #bounds: LingerOptions | false
  #owes = false

  /**
   * @param response where it is known; otherwise it is the last that the connection owes
   * @param last whether nothing that comes after it is a request
   */
  constructor (connection: Connection, response: ServerResponse | undefined, bounds: LingerOptions | false, readonly last: boolean) {
    this.#connection = connection
    this.#response = response
    this.#bounds = bounds
  }

  tooLate (): void {
    this.#owes = true
  }

  /** The client has ended its side: there is nothing to linger for. */
  clientEnded (): void {
    this.#bounds = false
  }

  /** It is out, or will never be. */
  abandon (): void {
    const connection = this.#connection
    if (this.#bounds === false) {
      connection.read = undefined
      connection.socket.destroySoon()
      return
    }
    const owes = this.#owes || this.#response === undefined || !isFinished(this.#response)
    const lingering = new Linger(connection, this.#bounds, owes)
    connection.read = lingering
    if (this.last) lingering.halfClose()
  }

  look (): number {
    if (this.#isOut || this.#isLeft) this.abandon()
    return Infinity
  }

  get #isOut (): boolean {
    return this.#response === undefined ? pendingResponse(this.#connection.socket) === undefined : isFinished(this.#response)
  }

  /** Who does not take an answer does not keep the application from closing. */
  get #isLeft (): boolean {
    const { guard, socket } = this.#connection
    return guard.closing && this.#response?.writableEnded === true && pendingResponse(socket) === this.#response
  }

  judge (): void {}
}

/** A connection whose next request failed while it still owes earlier answers: those go out first. */
export class Draining implements ConnectionRead {
  readonly phase = 'lingering'
  readonly #connection: Connection
  readonly #close: () => void
  /** Nobody will give this answer: those before it were the last. */
  #never: ServerResponse | undefined

  constructor (connection: Connection, close: () => void) {
    this.#connection = connection
    this.#close = close
  }

  tooLate (response: ServerResponse): void {
    this.#never ??= response
  }

  look (): number {
    const pending = pendingResponse(this.#connection.socket)
    if (pending === undefined || pending === this.#never) this.#close()
    return Infinity
  }

  judge (): void {}
}
