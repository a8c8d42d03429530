import { constants, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { LingerOptions } from '../limits/resolve.js'

/** Where nothing is lingered on, in milliseconds. */
const LONGEST_STILL = 2_000

const NOT_GIVEN = Infinity

/** The streams of a session that were dispatched and have not closed. */
export class OpenStreams {
  /** When the answer of each was first seen to be given, in real time. */
  readonly #given = new Map<ServerHttp2Stream, number>()
  readonly #onClose: (this: ServerHttp2Stream) => void
  #window = Infinity
  /** When DATA was last seen to leave, in real time. */
  #movedAt = 0

  constructor () {
    const given = this.#given
    this.#onClose = function (this: ServerHttp2Stream) { given.delete(this) }
  }

  get count (): number {
    return this.#given.size
  }

  add (stream: ServerHttp2Stream): void {
    this.#given.set(stream, NOT_GIVEN)
    stream.once('close', this.#onClose)
  }

  /**
   * The application closes, which a client that does not take its answer must not keep it from; one that is slow has its
   * time. Only DATA makes the window of the session smaller.
   */
  hurry (session: ServerHttp2Session, linger: LingerOptions | false): void {
    if (session.destroyed) return
    const { remoteWindowSize = 0 } = session.state
    const now = performance.now()
    if (remoteWindowSize < this.#window) this.#movedAt = now
    this.#window = remoteWindowSize
    const longest = linger === false ? LONGEST_STILL : linger.timeout
    for (const [stream, at] of this.#given) {
      if (!stream.writableEnded || stream.writableFinished) continue
      if (at === NOT_GIVEN) this.#given.set(stream, now)
      else if (now - Math.max(at, this.#movedAt) >= longest) cancel(stream)
    }
  }
}

/** The RST_STREAM may be unable to leave, as was the answer. */
function cancel (stream: ServerHttp2Stream): void {
  stream.close(constants.NGHTTP2_CANCEL)
  setImmediate(() => stream.destroy())
}
