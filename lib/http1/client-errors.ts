import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { BodyRead } from '../body/body-read.js'
import type { Connection } from './connection.js'
import { connectionOf } from '../node/socket-hooks.js'
import type { Violation } from '../record/errors.js'
import { HandshakeRead } from './handshake-read.js'
import { HeadRead } from './head-read.js'
import { isBackstop, maxHeadersCount, maxHeaderSize, pendingResponse, rawSocketOf } from '../node/internals.js'

export type ClientErrorListener = (error: ClientError, socket: Socket) => void

/** What 'clientError' brings: an error of llhttp (`HPE_…`), of Node's own timers, or of the network. */
export interface ClientError extends Error {
  code?: string
  /** Of an error of the network. */
  syscall?: string
  /** llhttp's own words. */
  reason?: string
  /** How far llhttp came in the bytes that it had last. */
  bytesParsed?: number
  rawPacket?: Buffer
}

/** Fastify installs its own handler bound, where the user gave none. */
const FASTIFY_DEFAULT = 'bound defaultClientErrorHandler'

/** Whether it is the application's, given to `destroy()`: it says nothing about the client. */
function isOurs ({ code = '', syscall }: ClientError): boolean {
  return syscall === undefined && code !== 'ECONNRESET' && !code.startsWith('HPE_') && !code.startsWith('ERR_')
}

type Cause = 'left' | 'timeout' | 'refused'

function causeOf (error: ClientError): Cause {
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'timeout'
  if (error.code === 'HPE_INVALID_EOF_STATE') return 'left'
  return error.code?.startsWith('HPE_') === true ? 'refused' : 'left'
}

function headViolation (error: ClientError, socket: Socket, server: Server): Violation {
  const cause = causeOf(error)
  if (cause === 'left') return { code: 'FST_READ_ABORTED', cause: error }
  if (cause === 'timeout') return { code: 'FST_READ_HEADERS_TIMEOUT', limit: server.headersTimeout, cause: error }
  return error.code === 'HPE_HEADER_OVERFLOW' ? overflow(error, socket) : malformed(error)
}

/** Too many bytes and, in newer versions of Node, too many lines are told in the same words. */
function overflow (error: ClientError, socket: Socket): Violation {
  const { bytesParsed = 0, rawPacket } = error
  const received = socket.bytesRead - (connectionOf(socket)?.bytes ?? 0)
  if (received - (rawPacket?.length ?? 0) + bytesParsed >= maxHeaderSize(socket)) return tooManyBytes(error, socket)
  const limit = maxHeadersCount(socket)
  return { code: 'FST_READ_HEADERS_TOO_LARGE', limit, detail: `${limit} header lines`, cause: error }
}

function tooManyBytes (error: ClientError, socket: Socket): Violation {
  const limit = maxHeaderSize(socket)
  return { code: 'FST_READ_HEADERS_TOO_LARGE', limit, detail: `${limit} bytes`, cause: error }
}

function malformed (error: ClientError): Violation {
  return { code: 'FST_READ_MALFORMED', detail: error.reason ?? error.message, cause: error }
}

function handshakeViolation (error: ClientError, socket: Socket): Violation {
  // The server's own `handshakeTimeout`, where it is shorter than ours.
  if (error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') return { code: 'FST_READ_HANDSHAKE_TIMEOUT', limit: socket.timeout, cause: error }
  return error.code === 'ECONNRESET' ? { code: 'FST_READ_ABORTED', cause: error } : malformed(error)
}

function bodyViolation (error: ClientError, socket: Socket, server: Server): Violation {
  const cause = causeOf(error)
  if (cause === 'left') return { code: 'FST_READ_ABORTED', cause: error }
  // Of trailers.
  if (error.code === 'HPE_HEADER_OVERFLOW') return tooManyBytes(error, socket)
  return cause === 'timeout' ? { code: 'FST_READ_BODY_TIMEOUT', limit: server.requestTimeout, cause: error } : malformed(error)
}

/** What Node says of a connection in 'clientError', told to the read it happened in. */
export class ClientErrors {
  readonly #server: Server
  readonly #listeners: readonly ClientErrorListener[]
  /** Whether somebody else answers what Node's parser refuses. */
  readonly #answered: boolean
  readonly #headersTimeout: number

  /**
   * @param listeners those that were there before
   * @param headersTimeout the guard's own, in milliseconds; 0 where it is not enforced
   */
  constructor (server: Server, listeners: readonly ClientErrorListener[], headersTimeout: number) {
    this.#server = server
    this.#headersTimeout = headersTimeout
    this.#listeners = listeners
    this.#answered = listeners.some(listener => listener.name !== FASTIFY_DEFAULT)
  }

  handle (error: ClientError, socket: Socket): void {
    // What goes wrong in a TLS handshake is told of the TLS socket; the connection is still that of TCP.
    const connection = connectionOf(socket) ?? connectionOf(rawSocketOf(socket))
    const read = connection?.read
    if (read instanceof BodyRead) read.giveUp()
    if (connection === undefined || isOurs(error)) this.#pass(error, socket)
    else if (connection.isOver) this.#afterAnswer(error, connection)
    else if (read instanceof BodyRead) this.#inBody(error, socket, read)
    else if (this.#isBackstop(error)) connection.headOverdue(this.#server.headersTimeout)
    else if (read instanceof HeadRead) this.#inHead(error, socket, read)
    else if (read instanceof HandshakeRead) this.#inHandshake(error, socket, read)
    // An error of the network between two requests is no failed read; any other is about a head that just began.
    else if (error.code?.startsWith('HPE_') === true || causeOf(error) === 'timeout' || connection.headBegan) this.#inHead(error, socket, connection.beginHead())
    else if (pendingResponse(socket)?.headersSent === true) socket.destroy()
    else this.#pass(error, socket)
  }

  /** Node's timer stands behind the guard's clock, and knows nothing of a blocked event loop: it gives no verdicts. */
  #isBackstop (error: ClientError): boolean {
    return causeOf(error) === 'timeout' && isBackstop(this.#server, this.#headersTimeout)
  }

  /** The exchange is over, and closed to every other listener: a second answer would be taken for that of the next request. */
  #afterAnswer (error: ClientError, connection: Connection): void {
    if (causeOf(error) !== 'left') connection.discarded()
    // Who has sent a FIN may still read what is on its way.
    else if (connection.read?.clientEnded !== undefined) connection.read.clientEnded()
    else connection.socket.destroySoon()
  }

  #inHandshake (error: ClientError, socket: Socket, read: HandshakeRead): void {
    read.fail(handshakeViolation(error, socket))
    this.#pass(error, socket)
  }

  #inHead (error: ClientError, socket: Socket, read: HeadRead): void {
    if (read.recorded) this.#pass(error, socket)
    else read.fail(headViolation(error, socket, this.#server), false, this.#answered ? () => this.#passForAnswer(error, socket) : undefined)
  }

  #inBody (error: ClientError, socket: Socket, read: BodyRead): void {
    const left = causeOf(error) === 'left'
    if (read.judged) {
      const violation = bodyViolation(error, socket, this.#server)
      if (left || !this.#answered || read.response.headersSent) read.broken(violation)
      else read.brokenAndAnswered(violation, this.#passForAnswer(error, socket))
    } else if (left || read.response.headersSent) {
      socket.destroy()
    } else if (read.error === undefined) {
      this.#pass(error, socket)
    }
  }

  #pass (error: ClientError, socket: Socket): void {
    // As Node does where nobody listens: on the other addresses of an application nobody does.
    if (this.#listeners.length === 0) socket.destroy()
    for (const listener of this.#listeners) listener.call(this.#server, error, socket)
  }

  #passForAnswer (error: ClientError, socket: Socket): boolean {
    const { bytesWritten } = socket
    this.#pass(error, socket)
    return socket.bytesWritten > bytesWritten
  }
}
