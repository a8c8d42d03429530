import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { Server as TLSServer, type TLSSocket } from 'node:tls'
import { ClientErrors, type ClientErrorListener } from './client-errors.js'
import { Connection, connectionOf } from './connection.js'
import { dispatch, dispatchExpecting } from './dispatch.js'
import { watchExpectations } from './expectation.js'
import type { Guard } from './guard.js'
import { SessionRead } from './http2-session.js'
import { rawSocketOf, setBackstop, speaksHttp1 } from './node-http.js'
import { watchUpgrades } from './upgrade.js'

type RequestListener = (request: IncomingMessage, response: ServerResponse) => void

/** Takes the place of an event's listeners, which it returns: what they get to see is then up to the caller. */
function takeOver<Listener> (server: Server, event: string): Listener[] {
  const listeners = server.listeners(event) as Listener[] // an EventEmitter does not know its listeners' types
  server.removeAllListeners(event)
  return listeners
}

/** Watches what comes to one listening server. */
export class ServerGuard {
  readonly #guard: Guard
  readonly #server: Server
  readonly #handlers: readonly RequestListener[]

  constructor (guard: Guard, server: Server) {
    this.#guard = guard
    this.#server = server
    this.#handlers = takeOver<RequestListener>(server, 'request')
    this.#watchConnections()
    this.#watchRequests()
    const { headersTimeout, policy } = guard.options
    const backstop = (): void => setBackstop(server, policy.limits.mode === 'observe' ? 0 : headersTimeout)
    backstop()
    // What the application set meanwhile counts.
    server.prependListener('listening', backstop)
    server.on('close', () => guard.heartbeat.sweep())
  }

  /** Whether a listener is one of those that this server was made with: servers of one application share it. */
  handles (listener: unknown): boolean {
    return this.#handlers.includes(listener as RequestListener)
  }

  accept (socket: Socket): void {
    if (connectionOf(socket) !== undefined) return
    if (speaksHttp1(socket)) new Connection(this.#guard, socket).accepted()
    else if (this.#server instanceof TLSServer) new Connection(this.#guard, socket).beginHandshake()
  }

  #watchConnections (): void {
    const server = this.#server
    const clientErrors = new ClientErrors(server, takeOver<ClientErrorListener>(server, 'clientError'))
    server.on('connection', (socket: Socket) => this.accept(socket))
    server.on('secureConnection', (socket: TLSSocket) => this.#secured(socket))
    server.on('session', (session: ServerHttp2Session) => new SessionRead(this.#guard, session))
    server.on('clientError', (error, socket) => clientErrors.handle(error, socket as Socket))
    watchUpgrades(server, (_request, socket) => connectionOf(socket)?.release())
  }

  #watchRequests (): void {
    const guard = this.#guard
    const server = this.#server
    server.on('request', (request, response) => {
      if (dispatch(guard, request, response)) this.#handle(request, response)
    })
    watchExpectations(server, (request, response) => {
      if (dispatchExpecting(guard, request, response)) this.#handle(request, response)
    }, (request, response) => dispatch(guard, request, response))
    server.on('dropRequest', (_request, socket) => connectionOf(socket as Socket)?.idle())
  }

  /** The handshake is over; what follows is read from the TLS socket. */
  #secured (socket: TLSSocket): void {
    connectionOf(rawSocketOf(socket))?.release()
    if (speaksHttp1(socket)) this.accept(socket)
  }

  #handle (request: IncomingMessage, response: ServerResponse): void {
    for (const handler of this.#handlers) handler.call(this.#server, request, response)
  }
}
