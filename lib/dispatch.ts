import type { IncomingMessage, ServerResponse } from 'node:http'
import { BodyRead, bodyReadOf } from './body/body-read.js'
import { expectContinue } from './body/expect-continue.js'
import type { GuardContext } from './guard.js'
import { connectionOf, type Connection } from './http1/connection.js'
import { refuseRequest } from './http1/request-refusal.js'
import { checkFraming } from './http1/strict-framing.js'
import { sessionOf } from './http2/session.js'
import { readStreamBody } from './http2/stream.js'
import { readInjectedBody } from './inject/injected-source.js'
import { hasInjectedStream } from './node/fastify.js'
import { maxHeadersCount } from './node/server-internals.js'
import { Framing, framingOf, hasBody, http2Request, isAtEnd, isUpgrade } from './node/request-kind.js'

export interface DispatchOptions {
  /** Whether its connection knows of the request already, and may have moved on since: see `watchForeignRequests`. */
  readonly isLate: boolean
}

/**
 * A request is about to reach the application: its body, if it has one, is read from here on.
 *
 * @returns whether the request goes on to the application
 */
export function dispatch (guard: GuardContext, request: IncomingMessage, response: ServerResponse, { isLate }: DispatchOptions): boolean {
  const overHttp2 = http2Request(request)
  const connection = overHttp2 === undefined ? connectionOf(request.socket) : undefined
  let isGuarded: boolean
  if (connection !== undefined) {
    const framing = framingOf(request.rawHeaders)
    if (!admit(connection, request, response, framing)) return false
    isGuarded = (framing & Framing.body) !== 0
    if (!isGuarded && !isLate) connection.rest()
  } else {
    if (overHttp2 !== undefined) sessionOf(overHttp2.stream)?.onDispatched(overHttp2.stream, response)
    isGuarded = hasBody(request) || (overHttp2 === undefined && hasInjectedStream(request))
  }
  const isExpecting = guard.expecting === request
  if (isExpecting) guard.expecting = undefined
  if (isGuarded) readBody(guard, request, response, connection, { isExpecting })
  else if (isExpecting) response.writeContinue()
  return true
}

function readBody (guard: GuardContext, request: IncomingMessage, response: ServerResponse, connection: Connection | undefined, { isExpecting }: { readonly isExpecting: boolean }): void {
  // What follows the head of an upgrade belongs to the new owner. A body belongs to the listener that has begun to read it.
  if (isUpgrade(request) || request.readableDidRead) return
  const overHttp2 = http2Request(request)
  if (overHttp2 !== undefined) readStreamBody(guard, overHttp2, request, response)
  // If the request is at its end, its connection is free for the next one.
  else if (connection === undefined || isAtEnd(request)) readInjectedBody(guard, request, response)
  else connection.beginBody(new BodyRead(connection.guard, connection, request, response, connection.guard.options.policy))
  const body = bodyReadOf(request)
  // Another listener has kept the request for a while.
  if (request.readableLength > 0 || isAtEnd(request)) body?.catchUp()
  if (isExpecting && body !== undefined) expectContinue(request, response, body)
}

/** Whether a request may go on to the application: not one that comes after the connection's last answer, nor one that is refused. */
function admit (connection: Connection, request: IncomingMessage, response: ServerResponse, framing: number): boolean {
  if (connection.isOver) {
    // The connection's last answer was given before this request was complete.
    connection.discard(request)
    connection.onDiscarded()
    connection.read?.onLateRequest(response)
    return false
  }
  connection.onDispatched(response)
  const violation = connection.guard.options.strictFraming ? checkFraming(request, maxHeadersCount(request.socket), framing) : undefined
  if (violation === undefined) return true
  // Bytes that came in the packet of the previous request can't be told from that request's.
  const received = Math.max(request.socket.bytesRead - connection.bytes, 1)
  return refuseRequest(connection, request, response, violation, received)
}
