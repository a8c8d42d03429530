import type { ServerResponse } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import { AnswerDeadline } from '../answer/answer-deadline.js'
import { NOT_WATCHED, type Watched } from '../clock/watch-list.js'
import type { GuardContext } from '../guard.js'
import type { LingerOptions } from '../limits/options.js'
import { cancel } from './reset.js'
import type { SessionRead } from './session.js'

/**
 * The answer to a body that failed, on its way. A client that opens no window for it would keep the stream, and with it
 * the session, for as long as it likes. Nothing tells how much of a stream its client has taken: while anything is taken of
 * the session, the answer may be what moves.
 */
export class StreamAnswer implements Watched {
  readonly phase = undefined
  index = NOT_WATCHED
  readonly #guard: GuardContext
  readonly #stream: ServerHttp2Stream
  readonly #response: ServerResponse
  readonly #session: SessionRead | undefined
  readonly #deadline: AnswerDeadline
  #isCut = false

  constructor (guard: GuardContext, stream: ServerHttp2Stream, session: SessionRead | undefined, response: ServerResponse, linger: LingerOptions | false) {
    this.#guard = guard
    this.#stream = stream
    this.#session = session
    this.#response = response
    this.#deadline = new AnswerDeadline(linger)
  }

  look (now: number): number {
    const { closed, destroyed, writableFinished } = this.#stream
    if (destroyed || writableFinished || (closed && !this.#isCut)) this.#guard.heartbeat.delete(this)
    // The RST_STREAM can't leave either: Node 20 does not notice that nghttp2 has ended the session.
    else if (this.#isCut) this.#stream.destroy()
    else if (this.#response.writableEnded && this.#deadline.isPassed(this.#session?.taken ?? 0, now)) this.#cut()
    return Infinity
  }

  judge (): void {}

  #cut (): void {
    this.#isCut = true
    cancel(this.#stream)
  }
}
