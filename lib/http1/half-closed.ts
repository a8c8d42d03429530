import type { ServerResponse } from 'node:http'
import { ConnectionRead } from '../clock/connection-read.js'
import type { ClientErrorReport } from '../node/client-error.js'
import { replyOf } from '../node/fastify.js'
import { pendingResponse } from '../node/internals.js'
import type { ConnectionHost } from './connection-host.js'

/** How often a client that has ended its side is asked whether it is still there, in milliseconds; RFC 2518 §10.1 suggests the same. */
const INTERVAL = 20_000

/**
 * The client has ended its side while the handler works. It may have gone, or it may wait for its answer: tools like `nc -N`
 * end their side behind the request. Only what is written tells the two apart, as a client that has gone answers it with a
 * reset; so it gets an interim response (RFC 9110 §15.2: a client must be able to take any).
 *
 * Where that can't be (HTTP/1.0 knows none, or the response has begun, or the request is another listener's), the connection
 * ends as Node ends it by default.
 */
export class HalfClosed extends ConnectionRead {
  readonly phase = undefined
  readonly #connection: ConnectionHost
  readonly #response: ServerResponse
  /** In counted milliseconds; the first question can't fail, as the reset is on its way: the second one is asked at the next look. */
  #nextAt = 0

  static begin (connection: ConnectionHost): void {
    const { socket } = connection
    const response = pendingResponse(socket)
    const canAsk = response !== undefined && !response.headersSent && response.req.httpVersionMinor > 0 && replyOf(response.req) !== undefined
    if (canAsk) connection.become(new HalfClosed(connection, response))
    else socket.end()
  }

  private constructor (connection: ConnectionHost, response: ServerResponse) {
    super()
    this.#connection = connection
    this.#response = response
    response.writeProcessing()
  }

  override get isLast (): boolean {
    return true
  }

  look (now: number): number {
    const isWaiting = !this.#response.headersSent && pendingResponse(this.#connection.socket) === this.#response
    if (isWaiting && now >= this.#nextAt) {
      this.#nextAt = now + INTERVAL
      this.#response.writeProcessing()
    }
    return Infinity
  }

  onClientError ({ pass }: ClientErrorReport): void {
    pass()
  }
}
