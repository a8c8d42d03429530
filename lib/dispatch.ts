import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import { BodyRead } from './body/body-read.js'
import type { Connection } from './http1/connection.js'
import { connectionOf } from './node/socket-hooks.js'
import { sendContinue, whenWanted } from './body/expect-continue.js'
import type { Guard } from './guard.js'
import { StreamSource } from './http2/stream.js'
import { bodyReadOf, hasBody, http2Request } from './node/request-hooks.js'
import { maxHeadersCount } from './node/internals.js'
import { refuseRequest } from './http1/request-refusal.js'
import { checkFraming } from './http1/strict-framing.js'

/** A request's head is complete: its body, if it has one, is read from here on. Returns whether anybody is to see it. */
export function dispatch (guard: Guard, request: IncomingMessage, response: ServerResponse): boolean {
  const overHttp2 = http2Request(request)
  if (overHttp2 !== undefined) {
    if (hasBody(request)) beginStream(guard, overHttp2, request, response)
    return true
  }
  const connection = connectionOf(request.socket)
  return connection === undefined || admit(guard, connection, request, response)
}

function beginStream (guard: Guard, overHttp2: Http2ServerRequest, request: IncomingMessage, response: ServerResponse): void {
  const source = new StreamSource(guard, overHttp2)
  source.watch(new BodyRead(guard, source, request, response, guard.options.policy))
}

function admit (guard: Guard, connection: Connection, request: IncomingMessage, response: ServerResponse): boolean {
  if (connection.isOver) {
    // Its answer was given before it was complete.
    connection.discard(request)
    connection.discarded()
    connection.read?.tooLate?.(response)
    return false
  }
  const { options } = guard
  const violation = options.strictFraming ? checkFraming(request, maxHeadersCount(request.socket)) : undefined
  if (violation !== undefined) {
    // What came in the packet of the request before can't be told from its bytes.
    const received = Math.max(request.socket.bytesRead - connection.bytes, 1)
    if (!refuseRequest(connection, request, response, violation, received)) return false
  }
  if (hasBody(request)) connection.reading(new BodyRead(guard, connection, request, response, options.policy))
  else connection.idle()
  return true
}

/** As `dispatch`, for a client that waits for `100 Continue` before it sends. */
export function dispatchExpecting (guard: Guard, request: IncomingMessage, response: ServerResponse): boolean {
  if (!dispatch(guard, request, response)) return false
  const read = bodyReadOf(request)
  if (read === undefined) {
    response.writeContinue()
  } else {
    read.awaitContinue()
    whenWanted(request, () => sendContinue(response, () => read.continued()))
  }
  return true
}
