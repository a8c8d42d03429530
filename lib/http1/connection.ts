import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { BodySource, type AbandonedRest } from '../body/body-source.js'
import type { ConnectionRead } from '../clock/connection-read.js'
import { LONGEST_REST, NOT_WATCHED, type ConnectionPhase, type Watched } from '../clock/watch-list.js'
import type { GuardContext } from '../guard.js'
import type { LingerOptions } from '../limits/options.js'
import { hasBegun } from '../node/response-internals.js'
import { hasBackstop } from '../node/server-internals.js'
import { bytesBeingWritten, bytesHandedOver, bytesTaken, givenPeerName, headWatcher, isPausedForAnswers, keepAliveAgain, keepAliveOver, keepAliveTimeoutOf, peerNameOf, pendingResponse, serverOf } from '../node/socket-internals.js'
import { isApplicationError, type ClientError } from '../node/client-error.js'
import { forgetReply, keepReplies } from '../node/fastify-replies.js'
import { hasBody } from '../node/request-kind.js'
import { disown, holdClosing, own, ownerOf, packListeners, watchResume, type GuardedSocket, type SocketOwner } from '../node/socket-hooks.js'
import type { Peer } from '../record/abort-record.js'
import { packPeer, PORT_BITS, unpackPeer, type PackedAddress } from '../record/peer-address.js'
import type { ConnectionHost } from './connection-host.js'
import { ForeignRead } from './foreign-read.js'
import { FreshRead } from './fresh-read.js'
import { HandshakeRead } from './handshake-read.js'
import { HalfClosed } from './half-closed.js'
import { HeadRead } from './head-read.js'
import { closeAfterLinger, Closing, Linger, PendingAnswer } from './linger.js'
import { Outgoing } from './outgoing.js'

/** A later head is noticed after at most this fraction (1/20, 1/4) of `headersTimeout` and of `keepAliveTimeout`. */
const HEAD_SHARE = 20
const KEEP_ALIVE_SHARE = 4

/** Node's parser has begun a head without a read: the byte count doesn't show one in the packet of the previous request. */
const IS_HEAD_PENDING = 1 << PORT_BITS

/** Two stray bytes between requests may be the CRLF that RFC 9112 §2.2 has servers ignore: no head has begun. */
const STRAY_CRLF = 2

/**
 * One connection from accept to close. `read` is what is being read from it. Between two requests there is no read: an idle
 * connection costs only this object (9 fields of 8 bytes), and Node's own `keepAliveTimeout` limits it. Here and in the reads,
 * methods are `private` instead of `#`, because `#` methods would put a mark of the class on every object.
 */
export class Connection extends BodySource implements Watched, SocketOwner, ConnectionHost {
  index = NOT_WATCHED
  #read: ConnectionRead | undefined
  bytes = 0
  written = 0
  /** What is known of the responses that are still owed. It is only made when needed. */
  #outgoing: Outgoing | undefined
  readonly #address: PackedAddress
  /** The client's port, and `IS_HEAD_PENDING`. */
  #port: number

  constructor (readonly guard: GuardContext, readonly socket: GuardedSocket) {
    super()
    own(socket, this)
    keepReplies(socket)
    // Kept from the start: once a connection has been reset, its peer is unknown.
    const name = peerNameOf(socket)
    ;[this.#address, this.#port] = packPeer(name, name.family)
  }

  /** What is being read; nothing between two requests. */
  get read (): ConnectionRead | undefined {
    return this.#read
  }

  /**
   * The only transition from one read to the next:
   *
   * ```
   *  accepted by TLS ─▶ HandshakeRead ─▶ (released: the TLS socket is a connection of its own)
   *
   *  accepted ─▶ FreshRead
   *               │ a byte came
   *               ▼
   *              HeadRead ◀─── a byte came ──── none ◀─┐
   *               │    │                          ▲     │
   *               │    └─ dispatched, no body ────┘     │ last byte of the body, or of what is left of it
   *               │ dispatched                          │
   *               ├─ others have it ─▶ ForeignRead ─────┤
   *               ├──────────▶ BodyRead ────────────────┤
   *               │ refused        │ answered before the last byte
   *               ▼                ▼                    │
   *           PendingAnswer (the answer, or one before it, is on its way)
   *                   │ out                             │
   *                   ▼                                 │
   *               Linger ───────────────────────────────┘
   *                   │ the answer was the last, or a bound is reached
   *                   ▼
   *                closed
   * ```
   *
   * Beside these: `HalfClosed` after the client has ended its side while its answer is owed, `AwaitedAnswer` while the
   * application's `clientErrorHandler` hasn't answered a head that failed, and `Closing` instead of `Linger` if `linger` is off.
   */
  become (read: ConnectionRead | undefined): void {
    this.#read = read
    this.wake()
  }

  /** A fresh connection, whose client may be silent for as long as between two requests. */
  accept (): void {
    const now = this.guard.heartbeat.now()
    // A duplex that is no socket doesn't show when its first byte comes.
    const tells = (this.socket.bytesRead as number | undefined) !== undefined
    this.begin(tells ? new FreshRead(this, now) : new HeadRead(this, now, { mayBeStray: false }))
  }

  /**
   * Guards a connection that already exists.
   *
   * @param bytes `socket.bytesRead` at the end of the last request
   */
  adopt (bytes: number): void {
    if (this.socket.bytesRead === 0) return this.accept()
    this.bytes = bytes
    this.begin(undefined)
  }

  /** Guards a connection of another server, which hands over a request. */
  adoptForeign (): void {
    this.bytes = this.socket.bytesRead
    this.begin(undefined)
  }

  /** Whether another server has the connection, and only hands over requests. Those that it keeps are not judged, nor any heads. */
  private get isForeign (): boolean {
    const server = serverOf(this.socket)
    return server !== undefined && !this.guard.servers.has(server)
  }

  /** Node reports errors of the connection to the other server only. The socket keeps the error, and the read gets it from there. */
  private tellForeignError (): void {
    const { socket } = this
    const error: ClientError | null = socket.errored
    const server = serverOf(socket)
    if (error !== null && server !== undefined && !isApplicationError(error)) this.#read?.onClientError({ error, server, socket, pass: () => {} })
  }

  /** A fresh connection of a TLS server. */
  acceptHandshake (): void {
    this.begin(new HandshakeRead(this, this.guard.heartbeat.now()))
  }

  private begin (read: ConnectionRead | undefined): void {
    this.become(read)
    this.guard.heartbeat.add(this)
  }

  /** The head of a later request begins. It may be in the packet of the previous one, whose bytes can't be told from its own. */
  beginHead (now = this.guard.heartbeat.now(), { mayBeStray } = { mayBeStray: true }): HeadRead {
    this.bytes = Math.max(Math.min(this.bytes, this.socket.bytesRead - 1), 0)
    const head = new HeadRead(this, now, { mayBeStray })
    this.become(head)
    return head
  }

  /** Whether bytes came, after what was read last, that must be the next head. */
  get headBegan (): boolean {
    const stray = this.socket.bytesRead - this.bytes
    return stray > 0 && stray !== STRAY_CRLF
  }

  /** Node's timer reports a head that began `elapsed` ms ago. If the byte count has shown it, the guard's own clock runs already. */
  onHeadOverdue (elapsed: number): void {
    const isFresh = this.#read?.isHead === true && this.#read.phase === undefined
    if (this.#read !== undefined && !(isFresh && this.socket.bytesRead > 0)) return
    const now = this.guard.heartbeat.now()
    // While Node wasn't reading, the rest of the head may have come. How long that was is unknown, so the head begins now.
    this.beginHead(isPausedForAnswers(this.socket) ? now : now - elapsed, { mayBeStray: false })
  }

  /** What is being read, if the connection is still open. */
  get phase (): ConnectionPhase | undefined {
    return this.socket.destroyed ? undefined : this.#read?.phase
  }

  look (now: number): number {
    const { socket } = this
    const read = this.#read
    // Hot: `pending` is false on a live net.Socket, and `destroyed` alone would cost more loads. Other duplexes have no `pending`.
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-boolean-literal-compare
    if (socket.pending !== false && socket.destroyed) {
      this.unwatch()
      read?.onLost()
      return Infinity
    }
    // Ordinarily nothing waits: a response that the operating system takes at once was never slow.
    const responding = socket.writableLength > 0 || this.#outgoing?.isWatched === true ? this.outgoing.look(now) : Infinity
    if (this.#outgoing?.isOver === true) this.#outgoing = undefined
    return Math.min(responding, this.lookAtRead(now))
  }

  private lookAtRead (now: number): number {
    if (forgetReply(this.socket)) packListeners(this.socket)
    if (this.#read !== undefined) return this.#read.look(now)
    if (this.isForeign) return Infinity
    const isPending = (this.#port & IS_HEAD_PENDING) !== 0
    if (!this.headBegan && !isPending) return this.rests
    const mayBeStray = !isPending
    // If the head stalled for `keepAliveTimeout`, Node would close the connection without an error.
    keepAliveOver(this.socket)
    return this.beginHead(now, { mayBeStray }).look(now)
  }

  /**
   * How long the connection may be left alone while nothing is read, in counted milliseconds. Only the byte count shows that a
   * head has begun, so it is noticed this much late: little, compared with its limit, and before Node would close the connection
   * because no whole request has come. `Infinity` (a look at every beat) while an answer is owed, as its client may be slow.
   */
  private get rests (): number {
    if (pendingResponse(this.socket) !== undefined) return Infinity
    const { headersTimeout, resolution } = this.guard.options
    const shorter = Math.min(headersTimeout > 0 ? headersTimeout / HEAD_SHARE : LONGEST_REST, (keepAliveTimeoutOf(this.socket) || LONGEST_REST) / KEEP_ALIVE_SHARE)
    return Math.max(Math.floor(shorter), resolution)
  }

  judge (now: number): void {
    this.#read?.judge(now)
    this.#outgoing?.judge(now)
  }

  private get outgoing (): Outgoing {
    this.#outgoing ??= new Outgoing(this)
    return this.#outgoing
  }

  get responding (): number {
    return this.#outgoing?.isWatched === true ? 1 : 0
  }

  /** A head that the byte count doesn't show is reported by Node's `headersTimeout` if the guard has set it, else by the parser. */
  private watchHeads (): void {
    const { headersTimeout, policy } = this.guard.options
    this.#port &= ~IS_HEAD_PENDING
    if (policy.limits.mode === 'observe' || !hasBackstop(this.socket, headersTimeout)) watchHeads(this.socket)
  }

  onHeadBegun (): void {
    this.#port |= IS_HEAD_PENDING
    this.wake()
  }

  /** A request is on its way to the application. */
  onDispatched (response: ServerResponse): void {
    this.watchHeads()
    // It waits behind another response. The one whose turn it is has the socket.
    if (response.socket === null) this.outgoing.queue(response)
    else this.markResponse()
  }

  /**
   * The responses before it are out. If it was destroyed meanwhile, it will never be sent, and neither will those behind it:
   * Node 20 closes the connection, later versions wait for ever.
   */
  onTurn (response: ServerResponse): void {
    this.markResponse()
    if (response.destroyed && this.#read?.phase !== 'lingering') this.socket.destroy()
  }

  /** Node reports a response as finished, although the connection broke before all of it was sent. */
  onUnsent (response: ServerResponse): void {
    this.outgoing.onUnsent(response)
  }

  onEnd (): void {
    const pending = pendingResponse(this.socket)
    if (pending?.headersSent === true) this.outgoing.onEnd(pending)
    if (this.#read === undefined && pending !== undefined) HalfClosed.begin(this)
  }

  onClose (): void {
    if (this.isForeign) this.tellForeignError()
    this.outgoing.onClose()
  }

  /** Its last answer was given, or is about to be: nothing that still comes is a request. */
  get isOver (): boolean {
    return this.#read?.phase === 'lingering'
  }

  /** Node reports a request that another listener may keep: it isn't judged then. Those for the application reach `dispatch()`. */
  onRequest (request: IncomingMessage): void {
    if (this.isOver) return
    this.watchHeads()
    if (hasBody(request)) this.become(new ForeignRead(this, request))
    else this.rest()
  }

  /** A body begins. */
  beginBody (body: ConnectionRead): void {
    this.become(body)
    holdClosing(this.socket)
  }

  onBodyEnd (lastAnswer?: ServerResponse): void {
    if (this.#read?.isLast ?? false) return
    // Nothing that follows a refused request is handled, however late its answer is.
    if (lastAnswer === undefined) this.rest()
    else this.become(new PendingAnswer(this, lastAnswer, this.guard.options.policy.limits.linger, { isLast: true }))
  }

  get protocol (): 'http/1.1' { return 'http/1.1' }

  get peer (): Peer {
    // By now a wrapper (PROXY protocol) has put the client's address on the socket.
    const given = givenPeerName(this.socket)
    const kept = unpackPeer(this.#address, this.#port)
    return { remoteAddress: given?.address ?? kept.address, remotePort: given?.port ?? kept.port, protocol: this.protocol, tls: 'encrypted' in this.socket }
  }

  override get isHalfClosed (): boolean {
    return this.socket.readableEnded
  }

  override owesBefore (response: ServerResponse): boolean {
    const pending = pendingResponse(this.socket)
    return pending !== undefined && pending !== response && !pending.writableEnded
  }

  isHeldBack (): boolean {
    return this.socket.isPaused() && !isPausedForAnswers(this.socket)
  }

  override answersTakenSince (now: number): number | undefined {
    const isPaused = isPausedForAnswers(this.socket)
    return isPaused ? this.outgoing.takenSince(now, { isPaused }) : this.#outgoing?.takenSince(now, { isPaused })
  }

  override markResponse (): void {
    this.written = bytesHandedOver(this.socket)
  }

  override sentOf (response: ServerResponse): number | undefined {
    return hasBegun(response) ? Math.max(0, bytesTaken(this.socket) - this.written) : undefined
  }

  wake (): void {
    this.guard.heartbeat.wake(this)
  }

  override isTakenSoFar (response: ServerResponse): boolean {
    return super.isTakenSoFar(response) && bytesBeingWritten(this.socket) === 0
  }

  onLimitsChanged (): void {
    this.wake()
  }

  override inTurn (response: ServerResponse, act: () => void): void {
    if (response.socket !== null) return act()
    this.become(new PendingAnswer(this, 'all owed', this.guard.options.policy.limits.linger, {
      isLast: true,
      late: response,
      onOut: () => {
        this.become(new Closing(this))
        act()
      }
    }))
  }

  announceClose (response: ServerResponse): void {
    response.setHeader('Connection', 'close')
  }

  override markAborted (raw: IncomingMessage): void {
    raw.aborted = true // eslint-disable-line @typescript-eslint/no-deprecated -- applications still ask
  }

  abandon (linger: LingerOptions | false, { answer, isLast }: AbandonedRest): void {
    if (answer !== undefined) this.become(new PendingAnswer(this, answer, linger, { isLast }))
    else if (isLast) closeAfterLinger(this, linger)
    else if (linger === false) this.socket.resume()
    else this.become(new Linger(this, linger, { owes: false }))
  }

  /** Discards the body of a request that has its answer already, or gets none. */
  discard (request: IncomingMessage): void {
    request.on('data', () => this.onDiscarded())
  }

  /** The request is answered before any listener has seen it. Nothing that follows is a request. */
  refuse (request: IncomingMessage, answer?: ServerResponse): void {
    this.beginBody(new PendingAnswer(this, answer ?? 'all owed', this.guard.options.policy.limits.linger, { isLast: true }))
    this.discard(request)
  }

  override hold (): void {
    this.socket.pause()
  }

  cut (): void {
    this.socket.destroy()
  }

  override onDiscarded (): void {
    this.#read?.onDiscarded()
  }

  override watchResume (): void {
    watchResume(this.socket)
  }

  onResume (): void {
    this.#read?.onResume()
  }

  onClosing (): boolean {
    this.#read?.onLastAnswered()
    // The first call may have turned a body into a `PendingAnswer`, which must be told as well.
    this.#read?.onLastAnswered()
    if (this.#read?.phase === 'body') this.become(new Closing(this))
    return this.#read?.halfClose() === true
  }

  /** A second stray CRLF would be taken for a head. */
  onStray (): void {
    this.become(undefined)
    // While an answer is still owed, the server isn't waiting for the client.
    if (pendingResponse(this.socket) === undefined) keepAliveAgain(this.socket)
  }

  /** Such bytes are no request (RFC 9112 §9.6). An answer to them would follow the last one, or take its place. */
  onBehindLast (): void {
    this.beginBody(new PendingAnswer(this, 'all owed', this.guard.options.policy.limits.linger, { isLast: true }))
  }

  /** The read is complete, and nothing is being read now. */
  rest (): void {
    this.become(undefined)
    this.bytes = this.socket.bytesRead
    this.leaveToSuccessor()
  }

  /** Leaves the connection to the guard that has taken over the server, if any, unless a read must be finished here first. */
  leaveToSuccessor (): void {
    const { successor } = this.guard
    const mustEnd = this.#read !== undefined && !this.#read.isHead && !(this.#read instanceof ForeignRead)
    if (successor === undefined || mustEnd) return
    const { bytes } = this
    this.release()
    // A foreign connection reaches the successor with its next request.
    if (!this.isForeign) successor(this.socket, bytes)
  }

  /** Whether a beat found the socket destroyed before Node reported it. */
  get isFoundBroken (): boolean {
    return this.index === NOT_WATCHED
  }

  /** Stops looking at the connection. It still owns the socket: the close may have to be reported. */
  private unwatch (): void {
    this.become(undefined)
    this.guard.heartbeat.delete(this)
  }

  release (): void {
    this.unwatch()
    disown(this.socket)
  }
}

export function connectionOf (socket: Socket | undefined): Connection | undefined {
  return ownerOf(socket) as Connection | undefined // connections are the only owners
}

const watchHeads = headWatcher((socket) => { connectionOf(socket)?.onHeadBegun() })
