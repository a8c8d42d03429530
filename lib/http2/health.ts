import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { bytesBeingWritten, peerNameOf } from '../node/socket-internals.js'

/** How long a session is silent before it is asked, in counted milliseconds. If frames wait to be sent, it need not be silent. */
const INTERVAL = 1_000
/** How long a client may leave PINGs unanswered once Node sends no more of them, in counted milliseconds. */
const UNANSWERED = 10_000

const NOT_ASKED = -1

/** A PING's frame header and its payload (RFC 9113 §6.7). */
const PING_BYTES = 17

/** Finds out whether a session is still alive. Node doesn't always notice when it isn't, and would keep all of it for ever. */
export class SessionHealth {
  readonly #session: ServerHttp2Session
  readonly #socket: Socket
  /** Whether it is over TCP, and so has a peer. The peer isn't asked for here: it may be gone before its session begins. */
  readonly #hasPeer: boolean
  /** When the connection was last known to be alive. */
  #stood = 0
  #checked = 0
  /** Whether it was asked since bytes last came: only bytes that come make nghttp2 end a session. */
  #isAsked = false
  /** `bytesRead` at the last answer to a PING, if nothing else came with it. */
  #bytesAtAnswer = 0
  /** `bytesWritten` when it was asked, until it is known whether the question has left. */
  #writtenAtAsking = NOT_ASKED

  /** @param socket the session's own */
  constructor (session: ServerHttp2Session, socket: Socket) {
    this.#session = session
    this.#socket = socket
    this.#hasPeer = socket.localAddress !== undefined
  }

  /** Bytes came. If they are only the answer to a PING, there is no reason to ask again. */
  onBytes (now: number): void {
    this.#stood = now
    if (this.#socket.bytesRead !== this.#bytesAtAnswer) this.#isAsked = false
  }

  /**
   * Destroys a connection that has broken.
   *
   * @param isBusy whether it has streams, or is closing: an idle session that was asked is left alone
   * @returns whether nghttp2 has ended the session
   */
  isTerminated (now: number, isBusy: boolean): boolean {
    const mayRest = this.#writtenAtAsking === NOT_ASKED && (now - this.#checked < INTERVAL || (this.#isAsked && !isBusy))
    if (mayRest || this.#session.destroyed) return false
    this.#checked = now
    if (!this.#isBroken(now)) return this.#isSilenced(now)
    this.#socket.destroy()
    return false
  }

  #isQuiet (now: number): boolean {
    return now - this.#stood >= INTERVAL
  }

  /**
   * Over TLS Node may not notice that a connection broke while it wrote (tested on Node 20, 22 and 24). The operating system
   * knows: a broken connection has no peer.
   */
  #isBroken (now: number): boolean {
    return this.#isQuiet(now) && this.#hasPeer && peerNameOf(this.#socket).address === undefined
  }

  /**
   * When a client breaks the protocol, nghttp2 sends GOAWAY, and from then on neither reads nor writes: if the client leaves,
   * that isn't noticed either. Node 20 doesn't report this, and later versions don't if the client has sent a GOAWAY. So a
   * session that has fallen silent is asked once (by a PING or a GOAWAY): if it is alive, that frame leaves.
   */
  #isSilenced (now: number): boolean {
    if (bytesBeingWritten(this.#socket) > 0) return false
    if (this.#writtenAtAsking === this.#socket.bytesWritten) return true
    this.#writtenAtAsking = NOT_ASKED
    const waits = (this.#session.state.outboundQueueSize ?? 0) > 0
    if (!waits && (this.#isAsked || !this.#isQuiet(now))) return false
    return !this.#ask() && now - this.#stood >= UNANSWERED
  }

  /** Returns whether that was possible: Node lets only a few PINGs go unanswered (`maxOutstandingPings`). */
  #ask (): boolean {
    const { bytesWritten } = this.#socket
    this.#isAsked = this.#session.closed ? this.#repeatGoAway() : this.#ping()
    // Node writes in the next turn of the event loop, and two looks may come in the same turn.
    if (this.#isAsked) setImmediate(() => { this.#writtenAtAsking = bytesWritten })
    return this.#isAsked
  }

  #ping (): boolean {
    const { bytesRead } = this.#socket
    return this.#session.ping((error) => {
      if (error === null && this.#socket.bytesRead === bytesRead + PING_BYTES) this.#bytesAtAnswer = bytesRead + PING_BYTES
    })
  }

  /** Node sends no PING on a session that is closing. A GOAWAY may be sent again (RFC 9113 §6.8). */
  #repeatGoAway (): true {
    this.#session.goaway()
    return true
  }
}
