import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Connection } from './connection.js'
import type { Violation } from '../record/errors.js'
import { assignResponse } from '../node/response-internals.js'
import { pendingResponse } from '../node/socket-internals.js'
import { refuseRequest } from './request-refusal.js'

/** Answers to earlier requests go out first. Node queues only the responses that it makes itself, and it makes none here. */
function assignInTurn (socket: Socket, response: ServerResponse): void {
  const pending = pendingResponse(socket)
  if (pending === undefined) assignResponse(response, socket)
  else pending.once('finish', () => assignInTurn(socket, response))
}

/** Throws away the request and everything that follows it. */
export function turnAway (request: IncomingMessage, stream: Duplex): void {
  // Node has taken its listeners off, and an error without one would end the process.
  stream.on('error', () => {})
  request.resume()
  stream.resume()
}

/**
 * Refuses an upgrade as `refuseRequest` does any other request; Node makes no response for it.
 *
 * @returns whether the request goes on nevertheless
 */
export function refuseUpgrade (connection: Connection, request: IncomingMessage, stream: Duplex, violation: Violation): boolean {
  const { socket } = connection
  const response = new ServerResponse(request)
  const received = Math.max(socket.bytesRead - connection.bytes, 1)
  connection.rest()
  if (refuseRequest(connection, request, response, violation, received)) return true
  turnAway(request, stream)
  // Node doesn't close the connection after this answer.
  response.once('finish', () => socket.destroySoon())
  assignInTurn(socket, response)
  return false
}
