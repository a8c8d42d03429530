import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { Server as TLSServer, type TLSSocket } from 'node:tls'
import { ClientErrors, type ClientErrorListener } from './http1/client-errors.js'
import { connectionOf } from './node/socket-hooks.js'
import { connectionsOf } from './http1/connections.js'
import { dispatch, dispatchExpecting } from './dispatch.js'
import { watchExpectations } from './body/expect-continue.js'
import type { Guard } from './guard.js'
import { SessionRead } from './http2/session.js'
import { hasBody } from './node/request-hooks.js'
import { keepOneMoreHeader, rawSocketOf, setBackstop, speaksHttp1 } from './node/internals.js'

export type RequestListener = (request: IncomingMessage, response: ServerResponse) => void

/** Takes the place of an event's listeners, which it returns: what they get to see is then up to the caller. */
function takeOver<Listener> (server: Server, event: string): Listener[] {
  const listeners = server.listeners(event) as Listener[] // an EventEmitter does not know its listeners' types
  server.removeAllListeners(event)
  return listeners
}

/** What a connection sends first: a TLS handshake, or a request's head. HTTP/2 sessions are told of elsewhere. */
function accepting (guard: Guard, server: Server): (socket: Socket) => void {
  const Accepted = connectionsOf(guard)
  return (socket) => {
    if (speaksHttp1(socket)) {
      if (guard.options.strictFraming) keepOneMoreHeader(socket)
      new Accepted(socket).accepted()
    } else if (server instanceof TLSServer) {
      new Accepted(socket).beginHandshake()
    }
  }
}

function watchConnections (guard: Guard, server: Server, headersTimeout: number): void {
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

function watchRequests (guard: Guard, server: Server): RequestListener[] {
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
  watchExpectations(server, (request, response) => {
    if (dispatchExpecting(guard, request, response)) handle(request, response)
  }, (request, response) => dispatch(guard, request, response))
  server.on('dropRequest', (request: IncomingMessage, socket) => {
    const connection = connectionOf(socket as Socket)
    if (connection?.isOver !== false) return
    // Node answers it, says that the connection closes, and leaves that to the client.
    if (hasBody(request)) connection.refused(request)
    else connection.idle()
  })
  return handlers
}

/**
 * Watches what comes to one server, from before it listens.
 * @returns whom it hands requests to: the servers of one application share them
 */
export function guardServer (guard: Guard, server: Server): readonly RequestListener[] {
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
