import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Connection, ConnectionRead } from './connection.js'
import { pendingResponse } from './node-http.js'
import type { LingerOptions } from './options.js'

/**
 * What the client still sends after its answer was given is read and thrown away, so that closing does not reset the
 * connection and destroy the answer on its way (RFC 9112 §9.6). Bounded in bytes and in time.
 */
export class Linger implements ConnectionRead {
  readonly phase = 'lingering'
  readonly #socket: Socket
  readonly #bytes: number
  readonly #until: number
  /** Whether the answer was the connection's last. */
  last = false

  constructor (connection: Connection, bounds: LingerOptions) {
    const { guard, socket } = connection
    guard.lingered++
    this.#socket = socket
    this.#bytes = socket.bytesRead + bounds.bytes
    // The look that would come after the bound is too late.
    this.#until = performance.now() + bounds.timeout - guard.options.resolution
    socket.resume()
  }

  /** The answer was the last: tell the client so, and keep reading. */
  halfClose (): void {
    this.last = true
    this.#socket.end()
  }

  /** Bytes came: closes at the byte bound. */
  arrived (): void {
    if (this.#socket.bytesRead >= this.#bytes) this.#socket.destroy()
  }

  look (): boolean {
    if (this.#socket.bytesRead >= this.#bytes || performance.now() >= this.#until) this.#socket.destroy()
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
