import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { causeOf, type ClientError } from '../node/client-error.js'
import { maxHeadersCount, maxHeaderSize } from '../node/server-internals.js'
import { clientGone, type Violation } from '../record/errors.js'

/*
 * Maps an error of Node's to the rule that was broken, by the phase in which it came.
 */

/** @param socket its server's own `handshakeTimeout` may be shorter than the guard's */
export function handshakeViolation (error: ClientError, socket: Socket): Violation {
  if (error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') {
    const limit = socket.timeout as number // it has just run out
    return { code: 'FST_READ_HANDSHAKE_TIMEOUT', limit, cause: error }
  }
  return error.code === 'ECONNRESET' ? clientGone(error) : malformed(error)
}

/** @param received bytes since the head began */
export function headViolation (error: ClientError, server: Server, socket: Socket, received: number): Violation {
  const cause = causeOf(error)
  if (cause === 'gone') return clientGone(error)
  if (cause === 'timeout') return { code: 'FST_READ_HEADERS_TIMEOUT', limit: server.headersTimeout, cause: error }
  return error.code === 'HPE_HEADER_OVERFLOW' ? overflow(error, socket, received) : malformed(error)
}

export function bodyViolation (error: ClientError, server: Server, socket: Socket): Violation {
  const cause = causeOf(error)
  if (cause === 'gone') return clientGone(error)
  // In a body, header overflow means the trailer section.
  if (error.code === 'HPE_HEADER_OVERFLOW') return tooManyBytes(error, socket)
  return cause === 'timeout' ? { code: 'FST_READ_BODY_TIMEOUT', limit: server.requestTimeout, cause: error } : malformed(error)
}

/** Newer versions of Node report too many header lines in the same words as too many bytes. */
function overflow (error: ClientError, socket: Socket, received: number): Violation {
  const { bytesParsed = 0, rawPacket } = error
  if (received - (rawPacket?.length ?? 0) + bytesParsed >= maxHeaderSize(socket)) return tooManyBytes(error, socket)
  const limit = maxHeadersCount(socket)
  return { code: 'FST_READ_HEADERS_TOO_LARGE', limit, detail: `${limit} header lines`, cause: error }
}

function tooManyBytes (error: ClientError, socket: Socket): Violation {
  const limit = maxHeaderSize(socket)
  return { code: 'FST_READ_HEADERS_TOO_LARGE', limit, detail: `${limit} bytes`, cause: error }
}

/** llhttp's words for a version that is well-formed but unknown. */
const UNKNOWN_VERSION = 'Invalid HTTP version'

function malformed (error: ClientError): Violation {
  const violation = { code: 'FST_READ_MALFORMED', detail: error.reason ?? error.message, cause: error } as const
  // RFC 9110 §15.6.6
  return error.code === 'HPE_INVALID_VERSION' && error.reason === UNKNOWN_VERSION ? { ...violation, statusCode: 505 } : violation
}
