import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { bytesBeingWritten, peerNameOf } from '../node/internals.js'

/** How long a session is quiet before it is asked, in counted milliseconds; where something waits, the next look tells. */
const INTERVAL = 1_000
/** How long a client may leave so many PINGs unanswered that Node sends no more, in counted milliseconds. */
const UNANSWERED = 10_000

const NOT_ASKED = -1

/** A PING's frame header and its payload (RFC 9113 §6.7). */
const PING_BYTES = 17

/** Whether a session still stands: Node does not always notice that it does not, and keeps all of it for ever. */
export class SessionHealth {
  readonly #session: ServerHttp2Session
  readonly #socket: Socket
  /** Over TCP, where there is always a peer: it may be gone before its session begins. */
  readonly #hasPeer: boolean
  /** When it was last known that the connection stands. */
  #stood = 0
  #checked = 0
  /** Whether it was asked since bytes came: nothing else makes nghttp2 end a session. */
  #isAsked = false
  /** `bytesRead` as of the last answer, where nothing came with it. */
  #bytesAtAnswer = 0
  /** `bytesWritten` when it was asked, until it is known whether the question has left. */
  #writtenAtAsking = NOT_ASKED

  /** @param socket the session's own */
  constructor (session: ServerHttp2Session, socket: Socket) {
    this.#session = session
    this.#socket = socket
    this.#hasPeer = socket.localAddress !== undefined
  }

  /** Bytes came. The answer alone is no news: nothing is to be asked after it. */
  onBytes (now: number): void {
    this.#stood = now
    if (this.#socket.bytesRead !== this.#bytesAtAnswer) this.#isAsked = false
  }

  /**
   * Ends a connection that is no more.
   *
   * @param isBusy whether it has streams, or is to end: an idle session that was asked is left alone
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
   * Over TLS Node may not notice that a connection broke while it wrote (tested on Node 20, 22 and 24). The system knows: a
   * connection that is no more has no peer.
   */
  #isBroken (now: number): boolean {
    return this.#isQuiet(now) && this.#hasPeer && peerNameOf(this.#socket).address === undefined
  }

  /**
   * Where a client breaks the protocol nghttp2 says GOAWAY, and neither reads nor writes any more: that the client leaves is
   * not seen either. Node 20 does not tell, later versions do not after a GOAWAY of the client's. So a session that has
   * fallen silent is asked, once: the question leaves where it stands.
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
    // Node writes in the next turn of the event loop, of which two looks may be the same.
    if (this.#isAsked) setImmediate(() => { this.#writtenAtAsking = bytesWritten })
    return this.#isAsked
  }

  #ping (): boolean {
    const { bytesRead } = this.#socket
    return this.#session.ping((error) => {
      if (error === null && this.#socket.bytesRead === bytesRead + PING_BYTES) this.#bytesAtAnswer = bytesRead + PING_BYTES
    })
  }

  /** Node sends no PING on a session that is to end. What was said before can be said again (RFC 9113 §6.8). */
  #repeatGoAway (): true {
    this.#session.goaway()
    return true
  }
}
