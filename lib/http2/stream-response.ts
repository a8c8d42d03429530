import type { ServerResponse } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import { bodyReadOf } from '../body/body-read.js'
import type { GuardContext } from '../guard.js'
import type { RoutePolicy } from '../limits/resolve.js'
import { replyOf } from '../node/fastify-replies.js'
import { waitsForClient } from '../node/session-internals.js'
import type { Peer } from '../record/abort-record.js'
import { ownPolicyOf } from '../response/exchange.js'
import { onClientGone, type OwedResponse } from '../response/response-abort.js'
import { ResponseRead, type ResponseSink } from '../response/response-read.js'
import { isProtocolError } from './protocol-error.js'
import { cancelUnsent } from './reset.js'

/** The session of a stream, as seen by its response. */
export interface ResponseSession {
  readonly guard: GuardContext
  readonly peer: Peer
  /** Bytes of responses that were handed over on the session. */
  readonly dataHandedOver: number
  /** How many of these the client has taken. */
  readonly dataTaken: number
  /** Streams that are open, and how many there have been. */
  readonly openStreams: number
  readonly streams: number
  /** Why the connection broke, if it did. */
  readonly cause: Error | undefined
  /** Whether this process ended the session, and not its client. */
  readonly isEndedHere: boolean
  onReadFailed (): void
  onReset (): void
}

/**
 * The response on one HTTP/2 stream. Node doesn't say how much of a stream its client has taken: a write keeps its full length
 * until all of it is taken. So whatever is taken on the session counts for each of its streams that wait.
 */
export class StreamResponse implements ResponseSink {
  readonly #session: ResponseSession
  readonly #stream: ServerHttp2Stream
  readonly #response: ServerResponse
  #read: ResponseRead | undefined
  /** Bytes that had been handed over on the session before it, if no other stream was open. */
  readonly #base: number | undefined
  readonly #streams: number

  constructor (session: ResponseSession, stream: ServerHttp2Stream, response: ServerResponse) {
    this.#session = session
    this.#streams = session.streams
    this.#base = session.openStreams === 1 ? session.dataHandedOver : undefined
    this.#stream = stream
    this.#response = response
  }

  get guard (): GuardContext {
    return this.#session.guard
  }

  /** Whether the response had to wait for its client. */
  get isWatched (): boolean {
    return this.#read !== undefined
  }

  look (now: number): number {
    if (this.#read === undefined) {
      const policy = this.isWaiting() ? this.policyOf() : false
      if (policy === false) return Infinity
      this.#read = new ResponseRead(this, this.#response, policy, now, this.taken())
    }
    return this.#read.look(now)
  }

  judge (now: number): void {
    this.#read?.judge(now)
  }

  taken (): number {
    return this.#session.dataTaken
  }

  isWaiting (): boolean {
    return waitsForClient(this.#stream)
  }

  /** A request that hasn't reached the application is answered by the guard or by another listener: neither is judged. */
  policyOf (): RoutePolicy | false {
    const request = replyOf(this.#response.req)?.request
    if (request === undefined) return false
    return ownPolicyOf(request.raw) ?? this.guard.policyOf(request)
  }

  owedOf (response: ServerResponse): OwedResponse {
    const { guard, peer } = this.#session
    return { guard, response, peer, body: bodyReadOf(response.req), policy: this.policyOf(), sent: this.#sent, timing: this.#read?.timing }
  }

  /** Only known if there was no other stream meanwhile: it is what was taken on the session, including the frames' own bytes. */
  get #sent (): number | undefined {
    const { streams, dataTaken } = this.#session
    const isAlone = this.#base !== undefined && streams === this.#streams
    return isAlone && this.#response.headersSent ? Math.max(0, dataTaken - this.#base) : undefined
  }

  reset (): void {
    this.#session.onReadFailed()
    this.#session.onReset()
    cancelUnsent(this.#stream)
  }

  /** The stream is closed: a response that is still owed won't reach its client. */
  onClose (): void {
    const { writableFinished, headersSent, aborted } = this.#stream
    const isOut = writableFinished && headersSent && !aborted
    const { cause, isEndedHere } = this.#session
    if (isOut || isEndedHere || this.guard.closing) return
    // If the client broke the protocol, its session has the record.
    onClientGone(this.owedOf(this.#response), cause, { isRecorded: isProtocolError(cause) })
  }
}
