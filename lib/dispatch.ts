import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import { BodyRead } from './body-read.js'
import type { Connection } from './connection.js'
import { connectionOf } from './guarded-socket.js'
import { continueWhenRead } from './expectation.js'
import type { Guard } from './guard.js'
import { StreamSource } from './http2-stream.js'
import { bodyReadOf, hasBody } from './incoming.js'
import { maxHeadersCount } from './node-http.js'
import { refuseRequest } from './request-refusal.js'
import { checkFraming } from './strict-framing.js'

/** A request's head is complete: its body, if it has one, is read from here on. Returns whether anybody is to see it. */
export function dispatch (guard: Guard, request: IncomingMessage, response: ServerResponse): boolean {
  if (request.httpVersionMajor === 2) {
    if (hasBody(request)) beginStream(guard, request, response)
    return true
  }
  const connection = connectionOf(request.socket)
  return connection === undefined || admit(guard, connection, request, response)
}

function beginStream (guard: Guard, request: IncomingMessage, response: ServerResponse): void {
  const source = new StreamSource(guard, request as unknown as Http2ServerRequest) // Node emits both classes in one event
  source.watch(new BodyRead(guard, source, request, response, guard.options.policy))
}

function admit (guard: Guard, connection: Connection, request: IncomingMessage, response: ServerResponse): boolean {
  if (connection.isOver) {
    // Its answer was given before it was complete; nobody is to see the request now.
    request.on('data', () => connection.discarded())
    connection.discarded()
    connection.read?.tooLate?.(response)
    return false
  }
  const { options } = guard
  const headStart = connection.bytes
  if (hasBody(request)) connection.reading(new BodyRead(guard, connection, request, response, options.policy))
  else connection.idle()
  if (!options.strictFraming) return true
  const violation = checkFraming(request, maxHeadersCount(request.socket))
  if (violation === undefined) return true
  // What came in the packet of the request before can't be told from its bytes.
  return refuseRequest(connection, request, response, violation, Math.max(request.socket.bytesRead - headStart, 1))
}

/** As `dispatch`, for a client that waits for `100 Continue` before it sends. */
export function dispatchExpecting (guard: Guard, request: IncomingMessage, response: ServerResponse): boolean {
  if (!dispatch(guard, request, response)) return false
  const read = bodyReadOf(request)
  if (read === undefined) {
    response.writeContinue()
  } else {
    read.awaitContinue()
    continueWhenRead(request, response, () => read.continued())
  }
  return true
}
