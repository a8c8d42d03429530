import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Server as HttpServer } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { Server as TLSServer, type TLSSocket } from 'node:tls'
import { refuseExpectation } from './body/expect-continue.js'
import { dispatch } from './dispatch.js'
import type { GuardContext } from './guard.js'
import { ClientErrors, ownHandlers, type ClientErrorListener } from './http1/client-errors.js'
import { Connection, connectionOf } from './http1/connection.js'
import { watchUpgrades } from './http1/upgrade.js'
import { SessionRead } from './http2/session.js'
import { allowHalfOpen, isDefaultBelow, keepOneMoreHeader, rawSocketOf, serverOf, setBackstop, speaksHttp1, watchSni } from './node/internals.js'
import { hasBody } from './node/request-kind.js'
import { listen, listenWhileAlone, onListenerAdded, replaceListener, takeOver, watchForeignRequests, type Detach, type RequestListener } from './node/server-hooks.js'

export interface ServerGuardOptions {
  /** Whether it is the server that the application knows. */
  readonly isMain: boolean
  /** Who has set Node's `headersTimeout`; see `headersTimeoutSetter`. */
  readonly headersTimeoutBy: 'options' | 'factory' | undefined
}

/** Everything that listens to one server on behalf of one application's guard. */
export class ServerGuard {
  readonly #guard: GuardContext
  readonly #server: Server
  readonly #routing: RequestListener
  readonly #detach: Detach[] = []
  #hasWarned = false

  /**
   * Watches what comes to a server, from before it listens.
   *
   * @param routing Fastify's own listener of 'request', which the servers of one application share
   */
  constructor (guard: GuardContext, server: Server, routing: RequestListener, { isMain, headersTimeoutBy }: ServerGuardOptions) {
    const { headersTimeout, policy } = guard.options
    this.#guard = guard
    this.#server = server
    this.#routing = routing
    guard.servers.add(server)
    const enforced = policy.limits.mode === 'observe' ? 0 : headersTimeout
    const backstop = (): void => setBackstop(server, enforced, { isGiven: headersTimeoutBy !== undefined })
    backstop()
    if (headersTimeoutBy === 'factory' && isMain && isDefaultBelow(server, headersTimeout)) {
      guard.journal.warn(`Node's headersTimeout of ${server.headersTimeout} ms stays in force, below that of the guard: what serverFactory has set is left as it is`)
    }
    allowHalfOpen(server)
    // What the application set meanwhile counts.
    server.prependListener('listening', backstop)
    this.#detach.push(() => { server.off('listening', backstop) })
    this.#detach.push(listen(server, 'close', () => guard.heartbeat.sweep()))
    this.#watchConnections(enforced)
    this.#watchRequests(isMain)
    if (isMain) guard.adoptUnseen = (request) => { this.#adoptUnseen(request) }
    // Fastify hands what its other servers get of these to the main one.
    if (isMain) this.#detach.push(watchUpgrades(guard, server))
  }

  /** Another application's guard is about to have the server. */
  detach (): void {
    for (const detach of this.#detach) detach()
    this.#guard.isInFront = false
  }

  /** Another application's guard has the server, and gets the connections of this one. */
  handOver (successor: ServerGuard): void {
    this.#guard.successor = (socket, bytes) => { successor.adopt(socket, bytes) }
    for (const watched of [...this.#guard.heartbeat.watched()]) {
      if (watched instanceof Connection) watched.leaveToSuccessor()
    }
  }

  /** Guards a connection that stands already; `bytes` as in `Connection`. */
  adopt (socket: Socket, bytes: number): void {
    new Connection(this.#guard, socket).adopt(bytes)
  }

  /** What a connection sends first: a TLS handshake, or a request's head. HTTP/2 sessions are told of elsewhere. */
  #accept (socket: Socket): void {
    if (speaksHttp1(socket)) {
      if (this.#guard.options.strictFraming) keepOneMoreHeader(socket)
      new Connection(this.#guard, socket).accept()
    } else if (this.#server instanceof TLSServer) {
      new Connection(this.#guard, socket).acceptHandshake()
    } else if (this.#server instanceof HttpServer) {
      // A wrapper reads from it first.
      new Connection(this.#guard, socket).accept()
    }
  }

  #watchConnections (headersTimeout: number): void {
    const server = this.#server
    const listeners = takeOver<ClientErrorListener>(server, 'clientError')
    const clientErrors = new ClientErrors(server, listeners, headersTimeout)
    // The first server is the one that the application knows: the others have no listeners of its own.
    this.#guard.ownHandlers ??= ownHandlers(server, listeners)
    this.#detach.push(watchSni(server, (socket) => {
      const read = connectionOf(socket)?.read
      read?.onApplicationWaitedFor()
      return () => read?.onResume()
    }))
    const onSecured = (socket: TLSSocket): void => {
      // What follows the handshake is read from the TLS socket.
      connectionOf(rawSocketOf(socket))?.release()
      if (speaksHttp1(socket)) this.#accept(socket)
    }
    this.#detach.push(
      listen(server, 'connection', (socket: Socket) => this.#accept(socket)),
      listen(server, 'secureConnection', onSecured),
      listen(server, 'session', (session: ServerHttp2Session) => new SessionRead(this.#guard, session)),
      listen(server, 'clientError', (error: Error, socket: Socket) => clientErrors.handle(error, socket))
    )
  }

  #watchRequests (isMain: boolean): void {
    const server = this.#server
    const guard = this.#guard
    const how = { isLate: false }
    const onRequest: RequestListener = (request, response) => {
      this.#adoptUnseen(request)
      if (!dispatch(guard, request, response, how)) return
      guard.passing = request
      this.#routing.call(server, request, response)
      guard.passing = undefined
    }
    // As Node does it where there is no listener, but that ours comes between.
    const onCheckContinue: RequestListener = (request, response) => {
      this.#emitExpecting(request, response)
    }
    const onCheckExpectation: RequestListener = (request, response) => {
      if (dispatch(this.#guard, request, response, how)) refuseExpectation(response)
    }
    const own: readonly unknown[] = [this.#routing, onRequest, onCheckContinue, onCheckExpectation]
    const comeBetween = (): void => {
      const isInFront = replaceListener(server, 'request', this.#routing, onRequest)
      if (isInFront && isMain) this.#guard.isInFront = true
    }
    comeBetween()
    this.#detach.push(
      onListenerAdded(server, 'request', listener => listener === this.#routing, comeBetween),
      () => { replaceListener(server, 'request', onRequest, this.#routing) },
      listenWhileAlone(server, 'checkExpectation', onCheckExpectation),
      ...(this.#guard.options.deferContinue ? [listenWhileAlone(server, 'checkContinue', onCheckContinue)] : []),
      watchForeignRequests(server, listener => own.includes(listener), (request, socket) => {
        how.isLate = true
        connectionOf(socket)?.onRequest(request)
      })
    )
    this.#detach.push(listen(server, 'dropRequest', (request: IncomingMessage, socket: Socket) => {
      const connection = connectionOf(socket)
      if (connection?.isOver !== false) return
      // Node answers it, says that the connection closes, and leaves that to the client.
      if (hasBody(request)) connection.refuse(request)
      else connection.onRequest(request)
    }))
  }

  /**
   * The request has a connection of which the guard was not told: a wrapper of the server has given it to Node's parser without
   * the server's own 'connection', or it belongs to another server, which hands over some of its requests.
   */
  #adoptUnseen (request: IncomingMessage): void {
    // Over HTTP/2 Node makes something that stands for the socket where it is asked for.
    if (request.httpVersionMajor !== 1) return
    const { socket } = request
    if (connectionOf(socket) !== undefined) return
    // An adapter's requests have sockets that only look like one.
    if ((socket as Socket | undefined) === undefined || !speaksHttp1(socket)) return
    const isForeign = serverOf(socket) !== this.#server
    if (isForeign) new Connection(this.#guard, socket).adoptForeign()
    else this.adopt(socket, socket.bytesRead)
    if (this.#hasWarned) return
    this.#hasWarned = true
    this.#guard.journal.warn(isForeign
      ? 'Requests come from a server that the guard does not know: how long their headers take is not limited'
      : 'Connections come to this server past its event connection: how long they take for their first request is not limited')
  }

  /** Requests with `Expect: 100-continue` come the way of all others. */
  #emitExpecting (request: IncomingMessage, response: ServerResponse): void {
    this.#guard.expecting = request
    this.#server.emit('request', request, response)
    // It is somebody else's: what Node does before any listener has seen it.
    if (this.#guard.expecting === request && !response.headersSent) response.writeContinue()
    this.#guard.expecting = undefined
  }
}
