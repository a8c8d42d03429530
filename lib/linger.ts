import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Connection, ConnectionRead } from './connection.js'
import { forget, pendingResponse } from './node-http.js'
import type { LingerOptions } from './options.js'

/** A timer comes so many milliseconds late without being late. */
const LATE = 10

/**
 * What the client still sends after its answer was given is read and thrown away, so that closing does not reset the
 * connection and destroy the answer on its way (RFC 9112 §9.6). Bounded in bytes and in time.
 */
export class Linger implements ConnectionRead {
  readonly phase = 'lingering'
  readonly #socket: Socket
  readonly #bytes: number
  readonly #until: number
  readonly #nextLook: number
  /** Whether the answer was the connection's last. */
  last = false

  constructor (connection: Connection, bounds: LingerOptions) {
    const { guard, socket } = connection
    guard.lingered++
    this.#socket = socket
    this.#bytes = socket.bytesRead + bounds.bytes
    this.#until = performance.now() + bounds.timeout
    this.#nextLook = guard.options.resolution + LATE
    socket.resume()
  }

  /** The answer was the last: tell the client so, and keep reading. */
  halfClose (): void {
    this.last = true
    this.#socket.end()
  }

  /** Closes at the bounds as bytes come: a fast client gets no further than one read, also where the looks are late. */
  arrived (ahead = 0): void {
    if (this.#socket.bytesRead >= this.#bytes || performance.now() + ahead >= this.#until) this.#socket.destroy()
  }

  tooLate (response: ServerResponse): void {
    if (pendingResponse(this.#socket) === response) forget(response)
    else this.#socket.destroy()
  }

  look (): boolean {
    // The look that would come after the bound is too late.
    this.arrived(this.#nextLook)
    return false
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

  look (): boolean {
    const pending = pendingResponse(this.#connection.socket)
    if (pending === undefined || pending === this.#never) this.#close()
    return false
  }

  judge (): void {}
}
