import type { ServerHttp2Stream } from 'node:http2'
import { AnswerDeadline } from '../answer/answer-deadline.js'
import type { LingerOptions } from '../limits/options.js'
import { cancelUnsent } from './reset.js'

/** Nothing of an answer waits for its client. */
const NOTHING_WAITS = undefined

/**
 * A client may reset a stream with NO_ERROR. Node waits for the end of what it has sent then, and for that of an answer which
 * can't leave any more.
 */
function destroyIfReset (this: ServerHttp2Stream): void {
  if (this.closed && !this.writableFinished) this.destroy()
}

/** The streams of a session that were dispatched and have not closed. */
export class OpenStreams {
  /** How long each answer that waits for its client may still take to leave. */
  readonly #deadlines = new Map<ServerHttp2Stream, AnswerDeadline | typeof NOTHING_WAITS>()
  readonly #onClose: (this: ServerHttp2Stream) => void

  constructor () {
    const deadlines = this.#deadlines
    this.#onClose = function (this: ServerHttp2Stream) { deadlines.delete(this) }
  }

  get count (): number {
    return this.#deadlines.size
  }

  add (stream: ServerHttp2Stream): void {
    this.#deadlines.set(stream, NOTHING_WAITS)
    stream.once('close', this.#onClose)
    stream.once('end', destroyIfReset)
  }

  /**
   * The application closes, which a client that does not take its answer must not keep it from; one that is slow has its
   * time. Fastify gives a large answer in pieces: one that is not whole yet waits for its client as well, where a piece does.
   *
   * @param taken bytes that the client has taken on the session
   */
  hurry (taken: number, linger: LingerOptions | false): void {
    for (const [stream, deadline] of this.#deadlines) {
      const waits = stream.writableLength > 0 || (stream.writableEnded && !stream.writableFinished)
      if (!waits) this.#deadlines.set(stream, NOTHING_WAITS)
      else if (deadline === NOTHING_WAITS) this.#deadlines.set(stream, new AnswerDeadline(linger))
      else if (deadline.isPassed(taken)) cancelUnsent(stream)
    }
  }
}
