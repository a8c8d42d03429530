import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { BodyRead } from './body-read.js'
import { ClientErrors, type ClientErrorListener } from './client-errors.js'
import { Connection, connectionOf } from './connection.js'
import type { Guard } from './guard.js'
import { hasBody } from './incoming.js'
import { maxHeadersCount, setBackstop } from './node-http.js'
import { refuseRequest } from './request-refusal.js'
import { checkFraming } from './strict-framing.js'

type RequestListener = (request: IncomingMessage, response: ServerResponse) => void

/** Takes the place of an event's listeners, which it returns: what they get to see is then up to the caller. */
function takeOver<Listener> (server: Server, event: string): Listener[] {
  const listeners = server.listeners(event) as Listener[] // an EventEmitter does not know its listeners' types
  server.removeAllListeners(event)
  return listeners
}

/** Watches the connections of one listening server. */
export class ServerGuard {
  readonly #guard: Guard
  readonly #server: Server
  readonly #handlers: readonly RequestListener[]

  constructor (guard: Guard, server: Server) {
    this.#guard = guard
    this.#server = server
    this.#handlers = takeOver<RequestListener>(server, 'request')
    const clientErrors = new ClientErrors(server, takeOver<ClientErrorListener>(server, 'clientError'))
    const backstop = (): void => setBackstop(server, guard.options.policy.limits.mode === 'observe' ? 0 : guard.options.headersTimeout)
    backstop()
    // What the application set meanwhile counts.
    server.prependListener('listening', backstop)
    server.on('connection', (socket: Socket) => this.accept(socket))
    server.on('request', (request, response) => this.#dispatch(request, response))
    server.on('clientError', (error, socket) => clientErrors.handle(error, socket as Socket))
    server.on('close', () => guard.heartbeat.sweep())
  }

  /** Whether a listener is one of those that this server was made with: servers of one application share it. */
  handles (listener: unknown): boolean {
    return this.#handlers.includes(listener as RequestListener)
  }

  accept (socket: Socket): void {
    if (connectionOf(socket) === undefined) new Connection(this.#guard, socket).accepted()
  }

  #dispatch (request: IncomingMessage, response: ServerResponse): void {
    const connection = connectionOf(request.socket)
    if (connection !== undefined && !this.#admit(connection, request, response)) return
    for (const handler of this.#handlers) handler.call(this.#server, request, response)
  }

  #admit (connection: Connection, request: IncomingMessage, response: ServerResponse): boolean {
    if (connection.ended) {
      // Its answer was given before it was complete; nobody is to see the request now.
      request.resume()
      return false
    }
    const headBytes = request.socket.bytesRead - connection.bytes
    connection.idle()
    const { options } = this.#guard
    if (hasBody(request)) connection.reading(new BodyRead(this.#guard, connection, request, response, options.policy))
    if (!options.strictFraming) return true
    const violation = checkFraming(request, maxHeadersCount(request))
    return violation === undefined || refuseRequest(this.#guard, request, response, violation, headBytes)
  }
}
