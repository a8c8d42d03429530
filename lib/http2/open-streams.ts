import type { ServerHttp2Stream } from 'node:http2'
import { AnswerDeadline } from '../answer/answer-deadline.js'
import type { LingerOptions } from '../limits/options.js'
import { waitsForClient } from '../node/session-internals.js'
import { ownStream, type StreamsOwner } from '../node/stream-hooks.js'
import { cancelUnsent } from './reset.js'
import type { StreamResponse } from './stream-response.js'

/** The streams of a session whose head has come, and which haven't closed. */
export class OpenStreams implements StreamsOwner {
  /** Their responses, from when they are dispatched. */
  readonly #responses = new Map<ServerHttp2Stream, StreamResponse | undefined>()
  /** How long each answer that waits for its client may still take to leave, while the application closes. */
  readonly #deadlines = new WeakMap<ServerHttp2Stream, AnswerDeadline>()
  /** How many streams there have been. */
  #added = 0

  get count (): number {
    return this.#responses.size
  }

  get added (): number {
    return this.#added
  }

  /** Node reports a stream before or after its request. */
  enter (stream: ServerHttp2Stream): void {
    if (!ownStream(stream, this)) return
    this.#added++
    this.#responses.set(stream, undefined)
  }

  onDispatched (stream: ServerHttp2Stream, response: StreamResponse): void {
    this.#responses.set(stream, response)
  }

  /**
   * A client may reset a stream with NO_ERROR. Node then waits for the end of what the client has sent, and for the end of an
   * answer that can't leave any more.
   */
  onStreamEnd (stream: ServerHttp2Stream): void {
    if (stream.closed && !stream.writableFinished) stream.destroy()
  }

  onStreamClose (stream: ServerHttp2Stream): void {
    this.#responses.get(stream)?.onClose()
    this.#responses.delete(stream)
  }

  /** Responses that had to wait for their client. */
  get responding (): number {
    let count = 0
    for (const response of this.#responses.values()) if (response?.isWatched === true) count++
    return count
  }

  look (now: number): number {
    let remaining = Infinity
    for (const response of this.#responses.values()) {
      if (response !== undefined) remaining = Math.min(remaining, response.look(now))
    }
    return remaining
  }

  judge (now: number): void {
    for (const response of this.#responses.values()) response?.judge(now)
  }

  /**
   * The application is closing. A client that doesn't take its answer must not hold that up; one that is merely slow gets
   * its time.
   *
   * @param taken bytes that the client has taken on the session
   * @returns how many streams it has reset
   */
  hurry (taken: number, linger: LingerOptions | false, now: number): number {
    let resets = 0
    for (const stream of this.#responses.keys()) {
      const deadline = this.#deadlines.get(stream)
      if (!waitsForClient(stream)) {
        this.#deadlines.delete(stream)
      } else if (deadline === undefined) {
        this.#deadlines.set(stream, new AnswerDeadline(linger))
      } else if (deadline.isPassed(taken, now)) {
        cancelUnsent(stream)
        resets++
      }
    }
    return resets
  }
}
