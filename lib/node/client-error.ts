import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/** The error of a 'clientError': an error of llhttp (`HPE_…`), of Node's own timers, or of the network. */
export interface ClientError extends Error {
  code?: string
  /** Only set on an error of the network. */
  syscall?: string
  /** llhttp's description of the error. */
  reason?: string
  /** How far llhttp came in `rawPacket`, the last bytes that it got. */
  bytesParsed?: number
  rawPacket?: Buffer
}

/** Whether the error is the application's, given to `destroy()`: it says nothing about the client. */
export function isApplicationError ({ code = '', syscall }: ClientError): boolean {
  return syscall === undefined && code !== 'ECONNRESET' && !code.startsWith('HPE_') && !code.startsWith('ERR_')
}

/** Whether the parser refused bytes from the client. */
export function isParserError ({ code }: ClientError): boolean {
  return code?.startsWith('HPE_') === true
}

/** Whether the parser refused bytes that follow a request which said it was the last (`Connection: close`). */
export function isBehindLast ({ code }: ClientError): boolean {
  return code === 'HPE_CLOSED_CONNECTION'
}

export type ClientErrorCause = 'gone' | 'timeout' | 'refused'

export function causeOf (error: ClientError): ClientErrorCause {
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'timeout'
  // The client has ended its side in the middle of a message.
  if (error.code === 'HPE_INVALID_EOF_STATE') return 'gone'
  return isParserError(error) ? 'refused' : 'gone'
}

/** The application's own listeners of 'clientError': its `clientErrorHandler`, for example. */
export interface OwnClientErrorHandlers {
  /** They replace Fastify's own handler: an error that they don't answer stays unanswered. */
  readonly areAlone: boolean
  /** Asks them for the answer. Returns whether one of them has written something by now. */
  ask (error: Error, socket: Socket): boolean
}

/** A 'clientError', as passed to what is being read on the connection. */
export interface ClientErrorReport {
  readonly error: ClientError
  readonly server: Server
  readonly socket: Socket
  /** Calls the other listeners, as if the guard were not there. */
  readonly pass: () => void
}
