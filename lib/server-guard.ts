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
import { allowHalfOpen, isDefaultBelow, setBackstop, watchSni } from './node/server-internals.js'
import { keepOneMoreHeader, rawSocketOf, serverOf, speaksHttp1 } from './node/socket-internals.js'
import { hasBody } from './node/request-kind.js'
import { listen, listenWhileAlone, onListenerAdded, replaceListener, takeOver, watchForeignRequests, type Detach, type RequestListener } from './node/server-hooks.js'

export interface ServerGuardOptions {
  /** Whether it is the server that the application knows. */
  readonly isMain: boolean
  /** What has set Node's `headersTimeout`; see `headersTimeoutSetter()`. */
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
    // Repeated, because the application may have changed its settings by then.
    server.prependListener('listening', backstop)
    this.#detach.push(() => { server.off('listening', backstop) })
    this.#detach.push(listen(server, 'close', () => guard.heartbeat.sweep()))
    this.#watchConnections(enforced)
    this.#watchRequests(isMain)
    if (isMain) guard.adoptUnseen = (request) => { this.#adoptUnseen(request) }
    // Fastify's other servers hand their upgrades to the main one.
    if (isMain) this.#detach.push(watchUpgrades(guard, server))
  }

  /** Another application's guard is about to take over the server. */
  detach (): void {
    for (const detach of this.#detach) detach()
    this.#guard.isInFront = false
  }

  /** Another application's guard has taken over the server, and gets this one's connections. */
  handOver (successor: ServerGuard): void {
    this.#guard.successor = (socket, bytes) => { successor.adopt(socket, bytes) }
    for (const watched of [...this.#guard.heartbeat.watched()]) {
      if (watched instanceof Connection) watched.leaveToSuccessor()
    }
  }

  /** Guards a connection that already exists; `bytes` as in `Connection`. */
  adopt (socket: Socket, bytes: number): void {
    new Connection(this.#guard, socket).adopt(bytes)
  }

  /** Watches a new connection: a TLS handshake or the head of a request comes first. HTTP/2 sessions have their own event. */
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
    // The first server is the one that the application knows. The others have none of its listeners.
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
    const routing = this.#routing
    const how = { isLate: false }
    const onRequest: RequestListener = (request, response) => {
      this.#adoptUnseen(request)
      if (!dispatch(guard, request, response, how)) return
      guard.passing = request
      routing.call(server, request, response)
      guard.passing = undefined
    }
    // Does what Node does without a listener, except that `dispatch()` comes first.
    const onCheckContinue: RequestListener = (request, response) => {
      this.#emitExpecting(request, response)
    }
    const onCheckExpectation: RequestListener = (request, response) => {
      if (dispatch(this.#guard, request, response, how)) refuseExpectation(response)
    }
    const own: readonly unknown[] = [routing, onRequest, onCheckContinue, onCheckExpectation]
    const comeBetween = (): void => {
      const isInFront = replaceListener(server, 'request', routing, onRequest)
      if (isInFront && isMain) this.#guard.isInFront = true
    }
    comeBetween()
    this.#detach.push(
      onListenerAdded(server, 'request', listener => listener === routing, comeBetween),
      () => { replaceListener(server, 'request', onRequest, routing) },
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
      // Node answers it with `Connection: close`, and leaves the closing to the client.
      if (hasBody(request)) connection.refuse(request)
      else connection.onRequest(request)
    }))
  }

  /**
   * Guards the connection of a request if it is new to the guard: a wrapper of the server has given it to Node's parser without
   * emitting 'connection' on the server, or it belongs to another server, which hands over some of its requests.
   */
  #adoptUnseen (request: IncomingMessage): void {
    // Over HTTP/2, asking for `socket` makes Node create a stand-in for it.
    if (request.httpVersionMajor !== 1) return
    const { socket } = request
    if (connectionOf(socket) !== undefined) return
    // The sockets of an adapter's requests only look like sockets.
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

  /** Requests with `Expect: 100-continue` go the same way as all others. */
  #emitExpecting (request: IncomingMessage, response: ServerResponse): void {
    this.#guard.expecting = request
    this.#server.emit('request', request, response)
    // Another listener has kept it. It gets the `100 Continue` that Node would have sent before any listener.
    if (this.#guard.expecting === request && !response.headersSent) response.writeContinue()
    this.#guard.expecting = undefined
  }
}
