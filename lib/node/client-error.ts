import type { Server } from 'node:http'
import type { Socket } from 'node:net'

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

/** Whether the error is the application's, given to `destroy()`: it says nothing about the client. */
export function isApplicationError ({ code = '', syscall }: ClientError): boolean {
  return syscall === undefined && code !== 'ECONNRESET' && !code.startsWith('HPE_') && !code.startsWith('ERR_')
}

/** Whether the parser refused bytes of the client's. */
export function isParserError ({ code }: ClientError): boolean {
  return code?.startsWith('HPE_') === true
}

/** Whether the parser refused bytes behind a request that said that it was the last (`Connection: close`). */
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
  /** They stand in the place of Fastify's own handler: what they leave unanswered stays so. */
  readonly areAlone: boolean
  /** Has them answer, and tells whether one has written something by now. */
  ask (error: Error, socket: Socket): boolean
}

/** A 'clientError', told to what is being read on the connection. */
export interface ClientErrorReport {
  readonly error: ClientError
  readonly server: Server
  readonly socket: Socket
  /** Tells the other listeners, as if the guard were not there. */
  readonly pass: () => void
}
