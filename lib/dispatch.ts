import type { IncomingMessage, ServerResponse } from 'node:http'
import { BodyRead, bodyReadOf } from './body/body-read.js'
import { continueWhenWanted } from './body/expect-continue.js'
import type { GuardContext } from './guard.js'
import { connectionOf, type Connection } from './http1/connection.js'
import { refuseRequest } from './http1/request-refusal.js'
import { checkFraming } from './http1/strict-framing.js'
import { readStreamBody } from './http2/stream.js'
import { maxHeadersCount } from './node/internals.js'
import { hasBody, http2Request } from './node/request-kind.js'

/**
 * A request's head is complete: its body, if it has one, is read from here on.
 *
 * @returns whether the request goes on to the application
 */
export function dispatch (guard: GuardContext, request: IncomingMessage, response: ServerResponse): boolean {
  const overHttp2 = http2Request(request)
  if (overHttp2 !== undefined) {
    if (hasBody(request)) readStreamBody(guard, overHttp2, request, response)
    return true
  }
  const connection = connectionOf(request.socket)
  return connection === undefined || admit(guard, connection, request, response)
}

function admit (guard: GuardContext, connection: Connection, request: IncomingMessage, response: ServerResponse): boolean {
  if (connection.isOver) {
    // Its answer was given before it was complete.
    connection.discard(request)
    connection.onDiscarded()
    connection.read?.onLateRequest(response)
    return false
  }
  const { options } = guard
  const violation = options.strictFraming ? checkFraming(request, maxHeadersCount(request.socket)) : undefined
  if (violation !== undefined) {
    // What came in the packet of the request before can't be told from its bytes.
    const received = Math.max(request.socket.bytesRead - connection.bytes, 1)
    if (!refuseRequest(connection, request, response, violation, received)) return false
  }
  if (hasBody(request)) connection.beginBody(new BodyRead(guard, connection, request, response, options.policy))
  else connection.rest()
  return true
}

/** As `dispatch`, for a client that waits for `100 Continue` before it sends. */
export function dispatchExpecting (guard: GuardContext, request: IncomingMessage, response: ServerResponse): boolean {
  if (!dispatch(guard, request, response)) return false
  const body = bodyReadOf(request)
  if (body === undefined) response.writeContinue()
  else continueWhenWanted(request, response, body)
  return true
}
