import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Peer } from './abort-record.js'
import { BodyRead } from './body-read.js'
import type { BodySource } from './body-source.js'
import type { Connection } from './connection.js'
import type { Guard } from './guard.js'
import type { LingerOptions } from './options.js'

/** The connection of an upgrade request until the body has ended, with which it changes hands. */
class UpgradeSource implements BodySource {
  readonly protocol = 'http/1.1'
  readonly peer: Peer
  readonly #connection: Connection
  readonly #response: ServerResponse
  readonly #stream: Duplex
  readonly #written: number

  constructor (connection: Connection, response: ServerResponse, stream: Duplex) {
    this.#connection = connection
    this.#response = response
    this.#stream = stream
    this.#written = connection.socket.bytesWritten
    this.peer = connection.peer
  }

  isHeldBack (): boolean {
    return this.#connection.isHeldBack()
  }

  cutBy (): undefined {}

  /** Its new owner may write before the body has ended. */
  isTaken (): boolean {
    return this.#connection.socket.bytesWritten > this.#written
  }

  watchResume (): void {
    this.#connection.watchResume()
  }

  limitsChanged (): void {
    this.#connection.limitsChanged()
  }

  discarded (): void {
    this.#connection.discarded()
  }

  ended (): void {
    if (this.#connection.isOver) return
    this.#response.detachSocket(this.#connection.socket)
    this.#connection.release()
  }

  /** No server closes after this answer. */
  abandoned (linger: LingerOptions | false, answer?: ServerResponse): void {
    // Over TLS Node's stand-in for the socket fails to end it a second time, which nobody may be there to hear.
    this.#stream.on('error', () => {})
    this.#connection.abandoned(linger, answer)
    this.#connection.socket.destroySoon()
  }

  cut (): void {
    this.#connection.cut()
  }
}

/** Reads the body of a request for which Node emits 'upgrade' before the body has ended, and makes no response. */
export function readUpgradeBody (guard: Guard, connection: Connection, request: IncomingMessage, stream: Duplex): void {
  const response = new ServerResponse(request)
  response.assignSocket(request.socket)
  const body = new BodyRead(guard, new UpgradeSource(connection, response, stream), request, response, guard.options.policy)
  connection.reading(body)
  // Node aborts no request that it has handed over.
  request.socket.once('close', () => { if (!body.done) body.truncated({ code: 'FST_READ_ABORTED' }) })
  // What came with the head.
  if (request.readableLength > 0) body.arrive(request.readableLength)
}
