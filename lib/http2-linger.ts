import { constants, type ServerHttp2Stream } from 'node:http2'
import type { Guard } from './guard.js'
import { NOWHERE, type Watched } from './watch-list.js'
import { LingerBounds } from './linger.js'
import type { LingerOptions } from './options.js'

/** A client that has been silent for so many counted milliseconds has read its answer. */
const SILENCE = 100

/**
 * What the client still sends on a stream after its answer was given, read and thrown away. RFC 9113 §8.1 lets a server
 * decline it at once, and forbids clients to discard the answer then; curl and Node's own client do so nevertheless.
 * Chromium on the other hand shows the answer when it has sent all or was told to stop: where nothing comes any more,
 * there is nothing to wait for.
 */
export class StreamLinger implements Watched {
  place = NOWHERE
  readonly #guard: Guard
  readonly #stream: ServerHttp2Stream
  readonly #bounds: LingerBounds
  #received = 0
  /** In counted milliseconds. */
  #lastByte: number

  constructor (guard: Guard, stream: ServerHttp2Stream, bounds: LingerOptions) {
    this.#guard = guard
    this.#stream = stream
    this.#bounds = new LingerBounds(guard, bounds, 0)
    this.#lastByte = guard.heartbeat.now()
    stream.on('data', (chunk: Buffer) => this.#arrived(chunk.length))
    stream.resume()
  }

  get phase (): 'lingering' | undefined {
    return this.#stream.closed ? undefined : 'lingering'
  }

  look (now: number): number {
    if (this.#stream.closed) this.#guard.heartbeat.delete(this)
    else if (this.#bounds.reachedByNextLook(this.#received)) this.#decline()
    else if (this.#isSilent(now)) return 0
    return Infinity
  }

  judge (now: number): void {
    if (this.#isSilent(now)) this.#decline()
  }

  #arrived (bytes: number): void {
    this.#received += bytes
    this.#lastByte = this.#guard.heartbeat.now()
    if (this.#bounds.reached(this.#received)) this.#decline()
  }

  #isSilent (now: number): boolean {
    return now - this.#lastByte >= SILENCE
  }

  #decline (): void {
    if (!this.#stream.closed) this.#stream.close(constants.NGHTTP2_NO_ERROR)
  }
}
