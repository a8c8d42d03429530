import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Connection, ConnectionRead } from './connection.js'
import type { Guard } from './guard.js'
import { forget, pendingResponse } from './node-http.js'
import type { LingerOptions } from './options.js'

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
  #tooLate = false

  constructor ({ guard, socket }: Connection, bounds: LingerOptions) {
    this.#socket = socket
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
    if (pendingResponse(this.#socket) === response) forget(response)
  }

  look (): number {
    if (this.#bounds.reachedByNextLook(this.#socket.bytesRead)) this.#socket.destroy()
    return Infinity
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
