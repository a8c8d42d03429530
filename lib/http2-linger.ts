import { constants, type ServerHttp2Stream } from 'node:http2'
import type { Guard } from './guard.js'
import { NOWHERE, type Watched } from './heartbeat.js'
import { LingerBounds } from './linger.js'
import type { LingerOptions } from './options.js'

/** A client that has been silent for so many milliseconds has read its answer. */
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
  #lastByte = performance.now()

  constructor (guard: Guard, stream: ServerHttp2Stream, bounds: LingerOptions) {
    this.#guard = guard
    this.#stream = stream
    this.#bounds = new LingerBounds(guard, bounds, 0)
    stream.on('data', (chunk: Buffer) => this.#arrived(chunk.length))
    stream.resume()
  }

  get phase (): 'lingering' | undefined {
    return this.#stream.closed ? undefined : 'lingering'
  }

  look (): number {
    if (this.#stream.closed) this.#guard.heartbeat.delete(this)
    else if (this.#isSilent() || this.#bounds.reachedByNextLook(this.#received)) this.#decline()
    return Infinity
  }

  judge (): void {}

  #arrived (bytes: number): void {
    this.#received += bytes
    this.#lastByte = performance.now()
    if (this.#bounds.reached(this.#received)) this.#decline()
  }

  #isSilent (): boolean {
    return performance.now() - this.#lastByte >= SILENCE
  }

  #decline (): void {
    if (!this.#stream.closed) this.#stream.close(constants.NGHTTP2_NO_ERROR)
  }
}
