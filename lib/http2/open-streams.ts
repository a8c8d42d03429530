import type { ServerHttp2Stream } from 'node:http2'
import type { LingerOptions } from '../limits/options.js'
import { ownerOfStream, ownStream } from '../node/stream-hooks.js'
import { StreamResponse, type ResponseSession } from './stream-response.js'

/** The streams of a session whose head has come, and which haven't closed. */
export class OpenStreams {
  /** In no order: a closed one's place is taken by the last. A `Map` that one stream after the other enters and leaves costs more. */
  readonly #responses: StreamResponse[] = []
  /** How many streams there have been. */
  #added = 0

  get count (): number {
    return this.#responses.length
  }

  get added (): number {
    return this.#added
  }

  /** Node reports a stream before or after its request. Returns its response, which may not be dispatched yet. */
  enter (session: ResponseSession, stream: ServerHttp2Stream): StreamResponse {
    const known = ownerOfStream(stream)
    if (known !== undefined) return known as StreamResponse // responses are the only owners
    this.#added++
    const response = new StreamResponse(session, stream, this.#responses.length)
    this.#responses.push(response)
    ownStream(stream, response)
    return response
  }

  /** Returns whether the stream was open: an application may emit its 'close' once more. */
  delete (response: StreamResponse): boolean {
    const { place } = response
    if (this.#responses[place] !== response) return false
    const last = this.#responses.pop()
    if (last !== undefined && last !== response) {
      last.place = place
      this.#responses[place] = last
    }
    return true
  }

  /** Responses that had to wait for their client. */
  get responding (): number {
    return this.#responses.filter(({ isWatched }) => isWatched).length
  }

  look (now: number): number {
    let remaining = Infinity
    for (const response of this.#responses) remaining = Math.min(remaining, response.look(now))
    return remaining
  }

  judge (now: number): void {
    // A response that is reset may leave.
    for (const response of [...this.#responses]) response.judge(now)
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
    for (const response of [...this.#responses]) if (response.hurry(taken, linger, now)) resets++
    return resets
  }
}
