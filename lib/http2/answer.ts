import type { ServerResponse } from 'node:http'
import { constants, type ServerHttp2Stream } from 'node:http2'
import type { Guard } from '../guard.js'
import { NOWHERE, type Watched } from '../clock/watch-list.js'
import type { LingerOptions } from '../limits/resolve.js'

/**
 * The answer to a body that failed, on its way. A client that opens no window for it would keep the stream, and with it
 * the session, for as long as it likes: it has as long as for an answer that has left.
 */
export class StreamAnswer implements Watched {
  readonly phase = undefined
  place = NOWHERE
  readonly #guard: Guard
  readonly #stream: ServerHttp2Stream
  readonly #response: ServerResponse
  readonly #timeout: number
  /** Real time, in milliseconds. */
  #givenAt: number | undefined
  #cut = false

  constructor (guard: Guard, stream: ServerHttp2Stream, response: ServerResponse, linger: LingerOptions | false) {
    this.#guard = guard
    this.#stream = stream
    this.#response = response
    this.#timeout = linger === false ? 0 : linger.timeout
  }

  look (): number {
    const { closed, destroyed, writableFinished } = this.#stream
    if (destroyed || writableFinished || (closed && !this.#cut)) this.#guard.heartbeat.delete(this)
    // The RST_STREAM can't leave either: Node 20 does not notice that nghttp2 has ended the session.
    else if (this.#cut) this.#stream.destroy()
    else if (this.#response.writableEnded) this.#given(performance.now())
    return Infinity
  }

  judge (): void {}

  /** What was given right before the first look is on its way, however short the time. */
  #given (now: number): void {
    this.#givenAt ??= now
    if (now === this.#givenAt || now - this.#givenAt < this.#timeout) return
    this.#cut = true
    this.#stream.close(constants.NGHTTP2_CANCEL)
  }
}
