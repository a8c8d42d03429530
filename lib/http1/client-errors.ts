import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { causeOf, isApplicationError, isParserError, type ClientError, type ClientErrorReport, type OwnClientErrorHandlers } from '../node/client-error.js'
import { isOwnClientErrorHandler } from '../node/fastify.js'
import { isBackstop, pendingResponse, rawSocketOf } from '../node/internals.js'
import { connectionOf } from './connection.js'

export type ClientErrorListener = (error: ClientError, socket: Socket) => void

/** What Node says of a connection in 'clientError', told to the read it happened in. */
export class ClientErrors {
  readonly #server: Server
  readonly #listeners: readonly ClientErrorListener[]
  readonly #headersTimeout: number

  /**
   * @param listeners those that were there before
   * @param headersTimeout the guard's own, in milliseconds; 0 where it is not enforced
   */
  constructor (server: Server, listeners: readonly ClientErrorListener[], headersTimeout: number) {
    this.#server = server
    this.#headersTimeout = headersTimeout
    this.#listeners = listeners
  }

  handle (error: ClientError, socket: Socket): void {
    // What goes wrong in a TLS handshake is told of the TLS socket; the connection is still that of TCP.
    const connection = connectionOf(socket) ?? connectionOf(rawSocketOf(socket))
    connection?.read?.abandonIfAnswerBegun()
    const read = connection?.read
    // Of a connection that was found broken, what was read has been told already.
    if (connection === undefined || connection.isFoundBroken || isApplicationError(error)) this.#pass(error, socket)
    else if (this.#isBackstop(error) && (read === undefined || read.isHead)) connection.onHeadOverdue(this.#server.headersTimeout)
    else if (read !== undefined) read.onClientError(this.#report(error, socket))
    // An error of the network between two requests is no failed read; any other is about a head that just began.
    else if (isParserError(error) || causeOf(error) === 'timeout' || connection.headBegan) connection.beginHead().onClientError(this.#report(error, socket))
    else if (pendingResponse(socket)?.headersSent === true) socket.destroy()
    else this.#pass(error, socket)
  }

  /** Node's timer stands behind the guard's clock, and knows nothing of a blocked event loop: it gives no verdicts. */
  #isBackstop (error: ClientError): boolean {
    return causeOf(error) === 'timeout' && isBackstop(this.#server, this.#headersTimeout)
  }

  #report (error: ClientError, socket: Socket): ClientErrorReport {
    return {
      error,
      server: this.#server,
      socket,
      pass: () => this.#pass(error, socket)
    }
  }

  #pass (error: ClientError, socket: Socket): void {
    // As Node does where there is no listener: on the other addresses of an application there is none.
    if (this.#listeners.length === 0) socket.destroy()
    for (const listener of this.#listeners) listener.call(this.#server, error, socket)
  }
}

/** Those of the listeners that are the application's own, if there are any. */
export function ownHandlers (server: Server, listeners: readonly ClientErrorListener[]): OwnClientErrorHandlers | undefined {
  const own = listeners.filter(isOwnClientErrorHandler)
  if (own.length === 0) return undefined
  return {
    areAlone: own.length === listeners.length,
    ask (error, socket) {
      const { bytesWritten } = socket
      for (const listener of own) listener.call(server, error, socket)
      return socket.bytesWritten > bytesWritten
    }
  }
}
