import type { ServerHttp2Stream } from 'node:http2'
import type { GuardContext } from '../guard.js'
import { LingerBounds } from '../answer/linger-bounds.js'
import type { LingerOptions } from '../limits/options.js'
import { isEndSent } from '../node/session-internals.js'
import { NOT_WATCHED, type Watched } from '../clock/watch-list.js'
import { decline } from './reset.js'

/** A client that has been silent for so many counted milliseconds has read its answer. */
const SILENCE = 100

/**
 * Reads and throws away what the client still sends on a stream after its answer was given. RFC 9113 §8.1 lets a server decline
 * that at once, and forbids clients to discard the answer because of it; curl and Node's own client discard it nevertheless.
 * Chromium, on the other hand, only shows the answer when it has sent everything or was told to stop: once nothing more comes,
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
  /** Nothing more is read, so the stream's window limits what still comes. The rest is declined when the answer has left. */
  #isOver = false
  /** The END_STREAM of the answer is out, or never will be. */
  #isEndSent = false
  /** END_STREAM left some turns of the event loop ago: clients believe an answer was cut short if a reset is in the same packet. */
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
    // Not while nghttp2 is handing over data.
    if (this.#isAnswered) setImmediate(() => this.#decline())
  }

  /** Called when END_STREAM of the answer has left: a RST_STREAM would take its place. */
  #decline (): void {
    this.#guard.heartbeat.delete(this)
    decline(this.#stream)
    // Unread bytes would keep the stream, and with it the session, even if the client has gone.
    this.#stream.resume()
  }
}
