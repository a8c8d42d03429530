import type { ServerResponse } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import { AnswerDeadline } from '../answer/answer-deadline.js'
import { NOT_WATCHED, type Watched } from '../clock/watch-list.js'
import type { GuardContext } from '../guard.js'
import type { LingerOptions } from '../limits/options.js'
import { isEndSent } from '../node/session-internals.js'
import { cancel } from './reset.js'
import type { SessionRead } from './session.js'

/**
 * The answer to a body that failed, while it is on its way. Without a limit, a client that opens no window for it could keep
 * the stream, and with it the session, for as long as it likes. Node doesn't say how much of one stream its client has taken:
 * as long as anything is taken on the session, it may be this answer.
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
    if (isEndSent(this.#stream) || (this.#stream.closed && !this.#isCut)) this.#guard.heartbeat.delete(this)
    // The RST_STREAM can't leave either: Node 20 does not notice that nghttp2 has ended the session.
    else if (this.#isCut) this.#stream.destroy()
    else if (this.#isLate(now)) return 0
    return Infinity
  }

  judge (now: number): void {
    if (this.index === NOT_WATCHED || this.#isCut || !this.#isLate(now)) return
    this.#isCut = true
    this.#session?.onReset()
    cancel(this.#stream)
  }

  #isLate (now: number): boolean {
    return this.#response.writableEnded && this.#deadline.isPassed(this.#session?.dataTaken ?? 0, now)
  }
}
