import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Peer } from '../record/abort-record.js'
import type { BodySource } from '../body/body-source.js'
import type { ConnectionRead } from '../clock/connection-read.js'
import type { Guard } from '../guard.js'
import { closeAfterBody, kConnection, tellResumed, type GuardedSocket } from '../node/socket-hooks.js'
import { HandshakeRead } from './handshake-read.js'
import { HeadRead } from './head-read.js'
import { AnswerOnItsWay, Linger } from './linger.js'
import { keepAliveAgain, keepAliveOver, peerNameOf, pendingResponse } from '../node/internals.js'
import type { LingerOptions } from '../limits/resolve.js'
import { packAddress, unpackAddress, type PackedAddress } from '../record/peer-address.js'
import { NOWHERE, type ConnectionPhase, type Watched } from '../clock/watch-list.js'

/** Two stray bytes between requests may be the CRLF that RFC 9112 §2.2 has servers ignore: no head has begun. */
const STRAY_CRLF = 2

/**
 * One connection from accept to close. Between two requests it is no more than this object: what is being read hangs
 * on `read`, and Node's own `keepAliveTimeout` has the watch while nothing is. Here and in what is read, methods are
 * `private` in the place of `#`, for which every object would keep a mark of its class.
 */
export abstract class Connection implements Watched, BodySource {
  place = NOWHERE
  #read: ConnectionRead | undefined
  /** `socket.bytesRead` at the end of what was read last. */
  bytes = 0
  readonly #address: PackedAddress
  readonly #port: number | undefined

  constructor (readonly socket: GuardedSocket) {
    socket[kConnection] = this
    // A connection that was reset does not tell its peer any more.
    const { address, family, port } = peerNameOf(socket)
    this.#address = packAddress(address, family)
    this.#port = port
  }

  /** That of the application, which is all that its connections have in common: see `connectionsOf`. */
  abstract get guard (): Guard

  get read (): ConnectionRead | undefined {
    return this.#read
  }

  set read (read: ConnectionRead | undefined) {
    // Where nothing was read, it is looked at every beat.
    if (this.#read !== undefined) this.guard.heartbeat.wake(this)
    this.#read = read
  }

  /** A fresh connection: its silence counts as reading the head section. */
  accepted (): void {
    this.begin(new HeadRead(this, this.guard.heartbeat.now(), false))
  }

  /** A fresh connection of a TLS server. */
  beginHandshake (): void {
    this.begin(new HandshakeRead(this, this.guard.heartbeat.now()))
  }

  private begin (read: ConnectionRead): void {
    this.read = read
    this.guard.heartbeat.add(this)
  }

  /** The head of a later request begins, and be it in the packet of the request before, whose bytes can't be told from its own. */
  beginHead (now = this.guard.heartbeat.now(), mayBeStray = true): HeadRead {
    this.bytes = Math.min(this.bytes, this.socket.bytesRead - 1)
    const head = new HeadRead(this, now, mayBeStray)
    this.read = head
    return head
  }

  /** Whether bytes came, after what was read last, that must be the next head. */
  get headBegan (): boolean {
    const stray = this.socket.bytesRead - this.bytes
    return stray > 0 && stray !== STRAY_CRLF
  }

  /** Node's timer tells of a head that began so many milliseconds ago; where its bytes told of it, our own clock has it. */
  headOverdue (elapsed: number): void {
    if (this.read === undefined) this.beginHead(this.guard.heartbeat.now() - elapsed, false)
  }

  /** What is being read, if the connection still stands. */
  get phase (): ConnectionPhase | undefined {
    return this.socket.destroyed ? undefined : this.read?.phase
  }

  look (now: number): number {
    const { socket, read } = this
    // Asked of every connection at every beat, where `pending` alone takes fewer objects. Only a `net.Socket` has it.
    if (socket.pending !== false && socket.destroyed) {
      this.release()
      read?.lost?.()
      return Infinity
    }
    if (read !== undefined) return read.look(now)
    if (!this.headBegan) return Infinity
    // Node would close on a head that stalls for its keepAliveTimeout, without a word.
    keepAliveOver(socket)
    return this.beginHead(now).look(now)
  }

  judge (now: number): void {
    this.read?.judge(now)
  }

  /** Its last answer was given, or is about to be: nothing that still comes is a request. */
  get isOver (): boolean {
    return this.read?.phase === 'lingering'
  }

  /** A body begins. */
  reading (body: ConnectionRead): void {
    this.read = body
    this.socket.destroySoon = closeAfterBody
  }

  ended (): void {
    if (this.read?.last !== true) this.idle()
  }

  get protocol (): 'http/1.1' { return 'http/1.1' }

  get peer (): Peer {
    return { remoteAddress: unpackAddress(this.#address), remotePort: this.#port, protocol: this.protocol, tls: 'encrypted' in this.socket }
  }

  isHeldBack (): boolean {
    return this.socket.isPaused()
  }

  limitsChanged (): void {
    this.guard.heartbeat.wake(this)
  }

  abandoned (linger: LingerOptions | false, answer?: ServerResponse): void {
    if (answer !== undefined) this.read = new AnswerOnItsWay(this, answer, linger, false)
    else if (linger === false) this.socket.resume()
    else this.read = new Linger(this, linger)
  }

  /** Nobody is to see the request: it has its answer, or gets none. */
  discard (request: IncomingMessage): void {
    request.on('data', () => this.discarded())
  }

  /** A request is answered without anybody having seen it, and nothing that follows is one. */
  refused (request: IncomingMessage, answer?: ServerResponse): void {
    this.reading(new AnswerOnItsWay(this, answer, this.guard.options.policy.limits.linger, true))
    this.discard(request)
  }

  cutBy (): undefined {}

  cut (): void { this.socket.destroy() }

  /** Bytes came that nobody is to see. While an answer is still owed, no more of them are read: only lingering has bounds. */
  discarded (): void {
    if (this.read instanceof Linger) this.read.arrived()
    else if (pendingResponse(this.socket) !== undefined) this.socket.pause()
  }

  /** The socket is paused: its next 'resume' ends that. */
  watchResume (): void {
    this.socket.on('resume', tellResumed)
  }

  /** Node closes after the last response; false when nothing of the request is left to be read first. */
  closing (): boolean {
    this.read?.abandon?.()
    // An answer that was still to come has its turn no more.
    if (this.read instanceof AnswerOnItsWay) this.read.abandon()
    if (!(this.read instanceof Linger)) return false
    this.read.halfClose()
    return true
  }

  /** What seemed to be a head was the one stray CRLF that a request may have before it: more of its like would be a head. */
  stray (): void {
    this.read = undefined
    // While an answer is still owed, the client does not keep anybody waiting.
    if (pendingResponse(this.socket) === undefined) keepAliveAgain(this.socket)
  }

  /** What was being read has been read. */
  idle (): void {
    this.read = undefined
    this.bytes = this.socket.bytesRead
  }

  /** No longer ours: closed, or handed over by an upgrade. */
  release (): void {
    this.read = undefined
    this.guard.heartbeat.delete(this)
    this.socket[kConnection] = undefined
  }
}
