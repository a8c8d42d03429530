import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { ConnectionRead } from '../clock/connection-read.js'
import type { ClientErrorReport } from '../node/client-error.js'
import { replyOf } from '../node/fastify-replies.js'
import { bytesHandedOver, pendingResponse } from '../node/socket-internals.js'
import type { ConnectionHost } from './connection-host.js'

/** How often a client that has ended its side is asked whether it is still there, in milliseconds; RFC 2518 §10.1 suggests the same. */
const INTERVAL = 20_000

/**
 * The client has ended its side while the handler works. It may have gone, or it may be waiting for its answer: tools like
 * `nc -N` end their side after the request. Only a write can tell, because the host of a client that has gone replies with a
 * reset. So the guard sends an interim response (RFC 9110 §15.2: a client must be able to take any). If a response has begun, and
 * part of it waits to be taken, its own bytes can tell: it goes on for as long as it moves.
 *
 * Where neither is possible (HTTP/1.0 has no interim responses, or the response has begun and is silent, or the request is
 * another listener's), the connection is ended, as Node does by default.
 */
export class HalfClosed extends ConnectionRead {
  readonly phase = undefined
  readonly #connection: ConnectionHost
  readonly #response: ServerResponse
  /** Whether the response had begun when the client ended its side. */
  readonly #hasBegun: boolean
  /**
   * When the next interim response is due, in counted milliseconds. The first can't fail, because a reset only follows it: the
   * second is written at the next look.
   */
  #nextAt = 0
  /** Bytes that had been written at the last look. */
  #written = 0

  static begin (connection: ConnectionHost): void {
    const { socket } = connection
    const response = pendingResponse(socket)
    const isOurs = response !== undefined && replyOf(response.req) !== undefined
    const canTell = response?.headersSent === true ? socket.writableLength > 0 : (response?.req.httpVersionMinor ?? 0) > 0
    if (isOurs && canTell) connection.become(new HalfClosed(connection, response))
    else socket.end()
  }

  private constructor (connection: ConnectionHost, response: ServerResponse) {
    super()
    this.#connection = connection
    this.#response = response
    this.#hasBegun = response.headersSent
    // Nothing comes from it any more: its socket does not keep the process, and an application that closes waits for it.
    const { guard: { heartbeat }, socket } = connection
    heartbeat.hold()
    socket.once('close', () => heartbeat.release())
    if (!this.#hasBegun) response.writeProcessing()
  }

  override get isLast (): boolean {
    return true
  }

  look (now: number): number {
    const { socket } = this.#connection
    if (pendingResponse(socket) !== this.#response) return Infinity
    if (this.#hasBegun) this.#endIfSilent(socket)
    else if (!this.#response.headersSent && now >= this.#nextAt) this.#ask(now)
    return Infinity
  }

  #ask (now: number): void {
    this.#nextAt = now + INTERVAL
    this.#response.writeProcessing()
  }

  #endIfSilent (socket: Socket): void {
    const written = bytesHandedOver(socket)
    if (socket.writableLength === 0 && written === this.#written && !this.#response.writableEnded) socket.end()
    this.#written = written
  }

  onClientError ({ pass }: ClientErrorReport): void {
    pass()
  }
}
