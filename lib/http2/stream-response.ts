import type { ServerResponse } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import { AnswerDeadline } from '../answer/answer-deadline.js'
import { bodyReadOf } from '../body/body-read.js'
import type { GuardContext } from '../guard.js'
import type { LingerOptions } from '../limits/options.js'
import type { RoutePolicy } from '../limits/resolve.js'
import { replyOf } from '../node/fastify-replies.js'
import { waitsForClient } from '../node/session-internals.js'
import type { StreamOwner } from '../node/stream-hooks.js'
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
  /** Returns whether it was open until now. */
  onStreamClosed (response: StreamResponse): boolean
}

/**
 * The response on one HTTP/2 stream, from its head on. Node doesn't say how much of a stream its client has taken: a write keeps
 * its full length until all of it is taken. So whatever is taken on the session counts for each of its streams that wait.
 */
export class StreamResponse implements ResponseSink, StreamOwner {
  readonly #session: ResponseSession
  readonly #stream: ServerHttp2Stream
  #response: ServerResponse | undefined
  #read: ResponseRead | undefined
  /** Bytes that had been handed over on the session before it, if no other stream was open. */
  #base: number | undefined
  #streams = 0
  /** How long the answer may still take to leave, if it waits for its client while the application closes. */
  #deadline: AnswerDeadline | undefined

  /** @param place its place among the open streams, which only they write */
  constructor (session: ResponseSession, stream: ServerHttp2Stream, public place: number) {
    this.#session = session
    this.#stream = stream
  }

  /** Its request is on its way to the application. */
  onDispatched (response: ServerResponse): void {
    const session = this.#session
    this.#response = response
    this.#streams = session.streams
    if (session.openStreams === 1) this.#base = session.dataHandedOver
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

  /** The application is closing. Returns whether the client took too long, and the stream is reset. */
  hurry (taken: number, linger: LingerOptions | false, now: number): boolean {
    if (!this.isWaiting()) {
      this.#deadline = undefined
      return false
    }
    if (this.#deadline?.isPassed(taken, now) === true) {
      cancelUnsent(this.#stream)
      return true
    }
    this.#deadline ??= new AnswerDeadline(linger)
    return false
  }

  taken (): number {
    return this.#session.dataTaken
  }

  isWaiting (): boolean {
    return waitsForClient(this.#stream)
  }

  /** A request that hasn't reached the application is answered by the guard or by another listener: neither is judged. */
  policyOf (): RoutePolicy | false {
    const request = this.#response === undefined ? undefined : replyOf(this.#response.req)?.request
    if (request === undefined) return false
    return ownPolicyOf(request.raw) ?? this.guard.policyOf(request)
  }

  owedOf (response: ServerResponse): OwedResponse {
    const { guard, peer } = this.#session
    return { guard, response, peer, body: bodyReadOf(response.req), policy: this.policyOf(), sent: this.#sent, timing: this.#read?.timing }
  }

  /** Only known if there was no other stream meanwhile: it is what was taken on the session, including the frames' own bytes. */
  get #sent (): number | undefined {
    const base = this.#session.streams === this.#streams ? this.#base : undefined
    return base === undefined || this.#response?.headersSent !== true ? undefined : Math.max(0, this.#session.dataTaken - base)
  }

  reset (): void {
    this.#session.onReadFailed()
    this.#session.onReset()
    cancelUnsent(this.#stream)
  }

  /**
   * A client may reset a stream with NO_ERROR. Node then waits for the end of what the client has sent, and for the end of an
   * answer that can't leave any more.
   */
  onEnd (): void {
    if (this.#stream.closed && !this.#stream.writableFinished) this.#stream.destroy()
  }

  /** A response that is still owed won't reach its client. */
  onClose (): void {
    if (!this.#session.onStreamClosed(this)) return
    const { writableFinished, headersSent, aborted } = this.#stream
    const isOut = writableFinished && headersSent && !aborted
    if (isOut || this.#response === undefined || this.guard.closing) return
    const { cause, isEndedHere } = this.#session
    // If the client broke the protocol, its session has the record.
    if (!isEndedHere) onClientGone(this.owedOf(this.#response), cause, { isRecorded: isProtocolError(cause) })
  }
}
