import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { causeOf, isApplicationError, isParserError, type ClientError, type ClientErrorReport, type OwnClientErrorHandlers } from '../node/client-error.js'
import { isOwnClientErrorHandler } from '../node/fastify.js'
import { isBackstop } from '../node/server-internals.js'
import { pendingResponse, rawSocketOf } from '../node/socket-internals.js'
import { connectionOf } from './connection.js'

export type ClientErrorListener = (error: ClientError, socket: Socket) => void

/** Passes what Node reports in 'clientError' to the read in which it happened. */
export class ClientErrors {
  readonly #server: Server
  readonly #listeners: readonly ClientErrorListener[]
  readonly #headersTimeout: number

  /**
   * @param listeners the server's own, whose place the guard has taken
   * @param headersTimeout the guard's own, in milliseconds; 0 if it is not enforced
   */
  constructor (server: Server, listeners: readonly ClientErrorListener[], headersTimeout: number) {
    this.#server = server
    this.#headersTimeout = headersTimeout
    this.#listeners = listeners
  }

  handle (error: ClientError, socket: Socket): void {
    // An error in a TLS handshake comes with the TLS socket, but the guard's connection is still that of TCP.
    const connection = connectionOf(socket) ?? connectionOf(rawSocketOf(socket))
    connection?.read?.abandonIfAnswerBegun()
    const read = connection?.read
    // A connection that was found broken has already told its read.
    if (connection === undefined || connection.isFoundBroken || isApplicationError(error)) this.#pass(error, socket)
    else if (this.#isBackstop(error) && (read === undefined || read.isHead)) connection.onHeadOverdue(this.#server.headersTimeout)
    else if (read !== undefined) read.onClientError(this.#report(error, socket))
    // An error of the network between two requests is no failed read; any other is about a head that just began.
    else if (isParserError(error) || causeOf(error) === 'timeout' || connection.headBegan) connection.beginHead().onClientError(this.#report(error, socket))
    else if (pendingResponse(socket)?.headersSent === true) socket.destroy()
    else this.#pass(error, socket)
  }

  /** Node's timer only backs up the guard's clock. It gives no verdicts, because it also counts a blocked event loop. */
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
    // As Node does without a listener: the servers of an application's other addresses have none.
    if (this.#listeners.length === 0) socket.destroy()
    for (const listener of this.#listeners) listener.call(this.#server, error, socket)
  }
}

/** The listeners that are the application's own, if there are any. */
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
