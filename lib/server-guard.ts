import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { Server as TLSServer, type TLSSocket } from 'node:tls'
import { refuseExpectation } from './body/expect-continue.js'
import { dispatch, dispatchExpecting } from './dispatch.js'
import type { GuardContext } from './guard.js'
import { ClientErrors, type ClientErrorListener } from './http1/client-errors.js'
import { connectionClass, connectionOf } from './http1/connection.js'
import { SessionRead } from './http2/session.js'
import { keepOneMoreHeader, rawSocketOf, setBackstop, speaksHttp1 } from './node/internals.js'
import { hasBody } from './node/request-kind.js'
import { listenWhileAlone, takeOver } from './node/server-hooks.js'

export type RequestListener = (request: IncomingMessage, response: ServerResponse) => void

/** What a connection sends first: a TLS handshake, or a request's head. HTTP/2 sessions are told of elsewhere. */
function accepting (guard: GuardContext, server: Server): (socket: Socket) => void {
  const Accepted = connectionClass(guard)
  return (socket) => {
    if (speaksHttp1(socket)) {
      if (guard.options.strictFraming) keepOneMoreHeader(socket)
      new Accepted(socket).accept()
    } else if (server instanceof TLSServer) {
      new Accepted(socket).acceptHandshake()
    }
  }
}

function watchConnections (guard: GuardContext, server: Server, headersTimeout: number): void {
  const clientErrors = new ClientErrors(server, takeOver<ClientErrorListener>(server, 'clientError'), headersTimeout)
  const accept = accepting(guard, server)
  server.on('connection', accept)
  server.on('secureConnection', (socket: TLSSocket) => {
    // What follows the handshake is read from the TLS socket.
    connectionOf(rawSocketOf(socket))?.release()
    if (speaksHttp1(socket)) accept(socket)
  })
  server.on('session', (session: ServerHttp2Session) => new SessionRead(guard, session))
  server.on('clientError', (error, socket) => clientErrors.handle(error, socket as Socket))
}

function watchRequests (guard: GuardContext, server: Server): RequestListener[] {
  const handlers = takeOver<RequestListener>(server, 'request')
  const [only] = handlers
  const handle: RequestListener = only !== undefined && handlers.length === 1
    ? only.bind(server)
    : (request, response) => {
        for (const handler of handlers) handler.call(server, request, response)
      }
  server.on('request', (request, response) => {
    if (dispatch(guard, request, response)) handle(request, response)
  })
  // Requests with `Expect` come the way of all others.
  listenWhileAlone(server, 'checkContinue', (request, response) => {
    if (dispatchExpecting(guard, request, response)) handle(request, response)
  })
  listenWhileAlone(server, 'checkExpectation', (request, response) => {
    if (dispatch(guard, request, response)) refuseExpectation(response)
  })
  server.on('dropRequest', (request: IncomingMessage, socket) => {
    const connection = connectionOf(socket as Socket)
    if (connection?.isOver !== false) return
    // Node answers it, says that the connection closes, and leaves that to the client.
    if (hasBody(request)) connection.refuse(request)
    else connection.rest()
  })
  return handlers
}

/**
 * Watches what comes to one server, from before it listens.
 *
 * @returns the listeners that requests are handed to: the servers of one application share them
 */
export function guardServer (guard: GuardContext, server: Server): readonly RequestListener[] {
  const { headersTimeout, policy } = guard.options
  const enforced = policy.limits.mode === 'observe' ? 0 : headersTimeout
  const backstop = (): void => setBackstop(server, enforced)
  backstop()
  // What the application set meanwhile counts.
  server.prependListener('listening', backstop)
  server.on('close', () => guard.heartbeat.sweep())
  watchConnections(guard, server, enforced)
  return watchRequests(guard, server)
}
