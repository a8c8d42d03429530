import type { ServerHttp2Stream } from 'node:http2'
import type { GuardContext } from '../guard.js'
import { LingerBounds } from '../answer/linger-bounds.js'
import type { LingerOptions } from '../limits/options.js'
import { isEndSent } from '../node/internals.js'
import { NOT_WATCHED, type Watched } from '../clock/watch-list.js'
import { decline } from './reset.js'

/** A client that has been silent for so many counted milliseconds has read its answer. */
const SILENCE = 100

/**
 * What the client still sends on a stream after its answer was given, read and thrown away. RFC 9113 §8.1 lets a server
 * decline it at once, and forbids clients to discard the answer then; curl and Node's own client do so nevertheless.
 * Chromium on the other hand shows the answer when it has sent all or was told to stop: where nothing comes any more,
 * there is nothing to wait for.
 */
export class StreamLinger implements Watched {
  index = NOT_WATCHED
  readonly #guard: GuardContext
  readonly #stream: ServerHttp2Stream
  readonly #bounds: LingerBounds | undefined
  #received = 0
  /** In counted milliseconds. */
  #lastByte: number
  /** No more is to be read than the stream's window lets in; what is left is declined when the answer has left. */
  #isOver = false
  /** The END_STREAM of the answer is out, or never will be. */
  #isEndSent = false
  /** It has been for some turns of the event loop: clients take an answer that is reset in the same packet for one that was cut short. */
  #isAnswered = false

  constructor (guard: GuardContext, stream: ServerHttp2Stream, linger: LingerOptions | false) {
    this.#guard = guard
    this.#stream = stream
    this.#lastByte = guard.heartbeat.now()
    this.#bounds = linger === false || stream.closed ? undefined : new LingerBounds(guard, linger, 0)
  }

  begin (): void {
    this.#guard.heartbeat.add(this)
    // The answer may have been given just now: its END_STREAM leaves in the next turn.
    setImmediate(() => this.#watchAnswer())
    if (this.#bounds === undefined) return this.#end()
    this.#stream.on('data', (chunk: Buffer) => this.#arrived(chunk.length))
    this.#stream.resume()
  }

  get phase (): 'lingering' | undefined {
    return this.#stream.closed || this.#isOver ? undefined : 'lingering'
  }

  look (now: number): number {
    this.#watchAnswer()
    if (this.#isOver) return Infinity
    if (this.#stream.closed || this.#bounds?.reachedByNextLook(this.#received) === true) this.#end()
    else if (this.#isSilent(now)) return 0
    return Infinity
  }

  judge (now: number): void {
    if (!this.#isOver && this.#isSilent(now)) this.#end()
  }

  #arrived (bytes: number): void {
    this.#received += bytes
    this.#lastByte = this.#guard.heartbeat.now()
    if (this.#bounds?.reached(this.#received) === true) this.#end()
  }

  #isSilent (now: number): boolean {
    return now - this.#lastByte >= SILENCE
  }

  #watchAnswer (): void {
    if (this.#isEndSent || !(this.#stream.closed || isEndSent(this.#stream))) return
    this.#isEndSent = true
    setImmediate(() => setImmediate(() => {
      this.#isAnswered = true
      if (this.#isOver) this.#decline()
    }))
  }

  #end (): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#stream.pause()
    // Not in the middle of what nghttp2 hands over.
    if (this.#isAnswered) setImmediate(() => this.#decline())
  }

  /** Not before the answer its END_STREAM, whose place a RST_STREAM would take. */
  #decline (): void {
    this.#guard.heartbeat.delete(this)
    decline(this.#stream)
    // Unread, what is left would keep the stream, and with it the session: even one whose client has gone.
    this.#stream.resume()
  }
}
