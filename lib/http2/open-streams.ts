import type { ServerHttp2Stream } from 'node:http2'
import { AnswerDeadline } from '../answer/answer-deadline.js'
import type { LingerOptions } from '../limits/options.js'
import { waitsForClient } from '../node/session-internals.js'
import { cancelUnsent } from './reset.js'
import type { StreamResponse } from './stream-response.js'

/**
 * A client may reset a stream with NO_ERROR. Node then waits for the end of what the client has sent, and for the end of an
 * answer that can't leave any more.
 */
function destroyIfReset (this: ServerHttp2Stream): void {
  if (this.closed && !this.writableFinished) this.destroy()
}

/** The streams of a session whose head has come, and which haven't closed. */
export class OpenStreams {
  /** Their responses, from when they are dispatched. */
  readonly #responses = new Map<ServerHttp2Stream, StreamResponse | undefined>()
  /** How long each answer that waits for its client may still take to leave, while the application closes. */
  readonly #deadlines = new WeakMap<ServerHttp2Stream, AnswerDeadline>()
  /** How many streams there have been. */
  #added = 0
  readonly #onClose: (this: ServerHttp2Stream) => void

  constructor () {
    const responses = this.#responses
    this.#onClose = function (this: ServerHttp2Stream) {
      responses.get(this)?.onClose()
      responses.delete(this)
    }
  }

  get count (): number {
    return this.#responses.size
  }

  get added (): number {
    return this.#added
  }

  /** Node may report a stream before or after its request. */
  enter (stream: ServerHttp2Stream): void {
    if (this.#responses.has(stream)) return
    this.#added++
    this.#responses.set(stream, undefined)
  }

  add (stream: ServerHttp2Stream): void {
    this.enter(stream)
    // Prepended: the framework's own listener asks for the status.
    stream.prependListener('close', this.#onClose)
    stream.on('end', destroyIfReset)
  }

  onDispatched (stream: ServerHttp2Stream, response: StreamResponse): void {
    this.#responses.set(stream, response)
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
