import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import { AnswerDeadline } from '../answer/answer-deadline.js'
import type { LingerOptions } from '../limits/options.js'
import { cancelUnsent } from './reset.js'

/** The answer has not been given yet. */
const NOT_GIVEN = undefined

/**
 * A client may reset a stream with NO_ERROR. Node waits for the end of what it has sent then, and for that of an answer which
 * can't leave any more.
 */
function destroyIfReset (this: ServerHttp2Stream): void {
  if (this.closed && !this.writableFinished) this.destroy()
}

/** The streams of a session that were dispatched and have not closed. */
export class OpenStreams {
  /** How long each answer that has been given may still take to leave. */
  readonly #deadlines = new Map<ServerHttp2Stream, AnswerDeadline | typeof NOT_GIVEN>()
  readonly #onClose: (this: ServerHttp2Stream) => void
  #window = Infinity
  /** How often DATA was seen to leave. */
  #moves = 0

  constructor () {
    const deadlines = this.#deadlines
    this.#onClose = function (this: ServerHttp2Stream) { deadlines.delete(this) }
  }

  get count (): number {
    return this.#deadlines.size
  }

  add (stream: ServerHttp2Stream): void {
    this.#deadlines.set(stream, NOT_GIVEN)
    stream.once('close', this.#onClose)
    stream.once('end', destroyIfReset)
  }

  /** The application closes, which a client that does not take its answer must not keep it from; one that is slow has its time. */
  hurry (session: ServerHttp2Session, linger: LingerOptions | false, now: number): void {
    if (session.destroyed) return
    const { remoteWindowSize = 0 } = session.state
    // Only DATA makes the window of the session smaller.
    if (remoteWindowSize < this.#window) this.#moves++
    this.#window = remoteWindowSize
    for (const [stream, deadline] of this.#deadlines) {
      if (!stream.writableEnded || stream.writableFinished) continue
      if (deadline === NOT_GIVEN) this.#deadlines.set(stream, new AnswerDeadline(linger))
      else if (deadline.isPassed(this.#moves, now)) cancelUnsent(stream)
    }
  }
}
