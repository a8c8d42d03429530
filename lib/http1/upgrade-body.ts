import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Peer } from '../record/abort-record.js'
import { BodyRead } from '../body/body-read.js'
import type { BodySource } from '../body/body-source.js'
import type { Connection } from './connection.js'
import { expectsContinue, whenWanted } from '../body/expect-continue.js'
import type { Guard } from '../guard.js'
import { pendingResponse } from '../node/internals.js'
import type { LingerOptions } from '../limits/resolve.js'

/** The connection of an upgrade request until the body has ended, with which it changes hands. */
class UpgradeSource implements BodySource {
  readonly protocol = 'http/1.1'
  readonly peer: Peer
  readonly #connection: Connection
  readonly #response: ServerResponse
  readonly #stream: Duplex
  /** An answer to an earlier request is still to come. */
  readonly #owed: boolean
  /** What was written that says nothing of whose it is. */
  #written: number

  constructor (connection: Connection, response: ServerResponse, stream: Duplex) {
    this.#connection = connection
    this.#response = response
    this.#stream = stream
    this.#owed = pendingResponse(connection.socket) !== undefined
    this.#written = connection.socket.bytesWritten
    this.peer = connection.peer
  }

  isHeldBack (): boolean {
    return this.#connection.isHeldBack()
  }

  cutBy (): undefined {}

  /** Its new owner may write before the body has ended; an answer to an earlier request was to come before. */
  isTaken (): boolean {
    return this.#owed || this.#connection.socket.bytesWritten > this.#written
  }

  /** Whoever takes the connection before the body is wanted answers without one (RFC 9110 §7.8). */
  continue (): void {
    if (this.isTaken()) return
    const { socket } = this.#connection
    socket.write('HTTP/1.1 100 Continue\r\n\r\n')
    this.#written = socket.bytesWritten
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

  /** Who routes the request makes a response of their own, in whose place ours would stand on the connection. */
  answering (response: ServerResponse): void {
    if (response !== this.#response) return
    const { socket } = this.#connection
    response.assignSocket(socket)
    response.once('finish', () => socket.destroySoon())
  }

  /** It changes hands, unless our answer is to be the last on it. */
  ended (): void {
    if (!this.#connection.isOver && this.#response.socket === null) this.#connection.release()
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

/**
 * Reads the body of a request for which Node emits 'upgrade' before the body has ended, and makes no response.
 * @param handOver tells the application's listeners
 */
export function readUpgradeBody (guard: Guard, connection: Connection, request: IncomingMessage, stream: Duplex, handOver: () => void): void {
  const response = new ServerResponse(request)
  const source = new UpgradeSource(connection, response, stream)
  const body = new BodyRead(guard, source, request, response, guard.options.policy)
  connection.reading(body)
  if (expectsContinue(request)) {
    body.awaitContinue()
    whenWanted(request, () => {
      source.continue()
      body.continued()
    })
  }
  // Node aborts no request that it has handed over.
  request.socket.once('close', () => { if (!body.done) body.truncated({ code: 'FST_READ_ABORTED' }) })
  const { complete, readableLength } = request
  handOver()
  // What came with the head is judged by the limits of the route, which is known by now.
  if (readableLength > 0) body.arrive(readableLength)
  if (complete) body.end()
}
