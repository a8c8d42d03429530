import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { bytesBeingWritten, peerNameOf } from '../node/internals.js'
import { protocolError } from './protocol-error.js'

/** How often it is asked, in counted milliseconds; where something waits, the next look tells. */
const INTERVAL = 1_000

const NOTHING_WAITS = -1

/** Whether a session with streams still stands: Node does not always notice that it does not, and keeps all of it for ever. */
export class SessionHealth {
  readonly #session: ServerHttp2Session
  readonly #socket: Socket
  readonly #hadPeer: boolean
  /** When it was last known that the connection stands. */
  #stood = 0
  #asked = 0
  /** `bytesWritten` when something was waiting to be written, and nothing kept it. */
  #waitedAt = NOTHING_WAITS

  /** @param socket the session's own */
  constructor (session: ServerHttp2Session, socket: Socket, hadPeer: boolean) {
    this.#session = session
    this.#socket = socket
    this.#hadPeer = hadPeer
  }

  /** Bytes came. */
  onBytes (now: number): void {
    this.#stood = now
  }

  /** Ends what does not stand any more. */
  check (now: number): void {
    if (now - this.#asked < INTERVAL && this.#waitedAt === NOTHING_WAITS) return
    this.#asked = now
    if (this.#isBroken(now)) this.#socket.destroy()
    else if (this.#isTerminated()) this.#session.destroy(protocolError())
  }

  /**
   * Over TLS Node may not notice that a connection broke while it wrote (tested on Node 20, 22 and 24). The system knows: a
   * connection that is no more has no peer.
   */
  #isBroken (now: number): boolean {
    return now - this.#stood >= INTERVAL && this.#hadPeer && peerNameOf(this.#socket).address === undefined
  }

  /**
   * Where a client breaks the protocol nghttp2 says GOAWAY and writes no more, which Node 20 does not tell: what is to be
   * written waits, though the connection takes it. A PING would go out where the session stands.
   */
  #isTerminated (): boolean {
    if (this.#session.destroyed) return false
    const { bytesWritten } = this.#socket
    const waits = (this.#session.state.outboundQueueSize ?? 0) > 0 && bytesBeingWritten(this.#socket) === 0
    const terminated = waits && this.#waitedAt === bytesWritten
    this.#waitedAt = waits ? bytesWritten : NOTHING_WAITS
    if (waits && !terminated) this.#session.ping(() => {})
    return terminated
  }
}
