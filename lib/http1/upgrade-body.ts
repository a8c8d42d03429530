import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { BodyRead } from '../body/body-read.js'
import { BodySource, type AbandonedRest } from '../body/body-source.js'
import { expectContinue } from '../body/expect-continue.js'
import type { GuardContext } from '../guard.js'
import type { LingerOptions } from '../limits/options.js'
import { assignResponse } from '../node/response-internals.js'
import { pendingResponse } from '../node/socket-internals.js'
import { expectsContinue, isBeingRead } from '../node/request-kind.js'
import type { Peer } from '../record/abort-record.js'
import { clientGone } from '../record/errors.js'
import type { Connection } from './connection.js'

/** The connection of an upgrade request until its body has ended. Then the connection changes hands. */
class UpgradeSource extends BodySource {
  readonly protocol = 'http/1.1'
  readonly peer: Peer
  readonly #connection: Connection
  readonly #response: ServerResponse
  readonly #stream: Duplex
  /** An answer to an earlier request is still to come. */
  readonly #owed: boolean
  /** `bytesWritten` up to which the bytes are ours; more means that the new owner has answered. */
  #written: number

  constructor (connection: Connection, response: ServerResponse, stream: Duplex) {
    super()
    this.#connection = connection
    this.#response = response
    this.#stream = stream
    this.#owed = pendingResponse(connection.socket) !== undefined
    this.#written = connection.socket.bytesWritten
    connection.markResponse()
    this.peer = connection.peer
  }

  get socket (): undefined {
    return undefined
  }

  isHeldBack (): boolean {
    return this.#connection.isHeldBack()
  }

  /** The new owner may write before the body has ended; and if an earlier answer is still owed, ours would come before it. */
  override isTaken (): boolean {
    return this.#owed || this.#connection.socket.bytesWritten > this.#written
  }

  /** If the new owner takes the connection before the body is wanted, it answers without `100 Continue` (RFC 9110 §7.8). */
  override sendContinue (_response: ServerResponse, onSent: () => void): void {
    if (!this.isTaken()) {
      const { socket } = this.#connection
      socket.write('HTTP/1.1 100 Continue\r\n\r\n')
      this.#written = socket.bytesWritten
    }
    onSent()
  }

  override watchResume (): void {
    this.#connection.watchResume()
  }

  override markResponse (): void {
    this.#connection.markResponse()
  }

  override sentOf (response: ServerResponse): number | undefined {
    return this.#connection.sentOf(response)
  }

  onLimitsChanged (): void {
    this.#connection.onLimitsChanged()
  }

  override onDiscarded (): void {
    this.#connection.onDiscarded()
  }

  announceClose (response: ServerResponse): void {
    this.#connection.announceClose(response)
  }

  override markAborted (raw: IncomingMessage): void {
    this.#connection.markAborted(raw)
  }

  /** An application that routes the request makes its own response. Ours must not take that one's place on the connection. */
  override prepareAnswer (response: ServerResponse): void {
    if (response !== this.#response) return
    const { socket } = this.#connection
    assignResponse(response, socket)
    response.once('finish', () => socket.destroySoon())
  }

  /** The connection changes hands, unless our answer is to be its last. */
  onBodyEnd (): void {
    if (!this.#connection.isOver && this.#response.socket === null) this.#connection.release()
  }

  /** Node doesn't close the connection after this answer, so it is closed here. */
  abandon (linger: LingerOptions | false, rest: AbandonedRest): void {
    // Over TLS, Node's stand-in for the socket emits an error when the socket is ended twice. It may have no listener.
    this.#stream.on('error', () => {})
    this.#connection.abandon(linger, rest)
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
export function readUpgradeBody (guard: GuardContext, connection: Connection, request: IncomingMessage, stream: Duplex, handOver: () => void): void {
  const response = new ServerResponse(request)
  const source = new UpgradeSource(connection, response, stream)
  const body = new BodyRead(guard, source, request, response, guard.options.policy)
  connection.beginBody(body)
  if (expectsContinue(request)) expectContinue(request, response, body)
  // Node doesn't abort a request once it has handed over the connection.
  request.socket.once('close', () => { if (!body.isDone) body.onTruncated(clientGone()) })
  // Whoever answers and ends the connection without the body, as with a 401, does not want it: what is left is no read any more.
  request.socket.once('finish', () => { if (source.isTaken() && !isBeingRead(request)) body.onAnswered() })
  const { complete, readableLength } = request
  handOver()
  body.limitUnrouted()
  // What came with the head is judged by the limits of the route, which is known by now.
  if (readableLength > 0) body.onChunk(readableLength)
  if (complete) body.onEnd()
}
