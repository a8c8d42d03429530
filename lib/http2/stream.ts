import { constants, type Http2ServerRequest, type ServerHttp2Stream } from 'node:http2'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { BodyRead } from '../body/body-read.js'
import { BodySource } from '../body/body-source.js'
import type { GuardContext } from '../guard.js'
import type { LingerOptions } from '../limits/options.js'
import { isClosedByClient } from '../node/session-internals.js'
import { isAtEnd, isBeingRead } from '../node/request-kind.js'
import { watchStream, type StreamSink } from '../node/stream-hooks.js'
import { peerOf, type Peer } from '../record/abort-record.js'
import { blameFor, clientGone, type ReadError, type Violation } from '../record/errors.js'
import { StreamAnswer } from './answer.js'
import { StreamLinger } from './linger.js'
import { isProtocolError } from './protocol-error.js'
import { cancel } from './reset.js'
import { sessionOf, type SessionRead } from './session.js'

const { NGHTTP2_FLOW_CONTROL_ERROR, NGHTTP2_NO_ERROR, NGHTTP2_PROTOCOL_ERROR } = constants

/** Whether END_STREAM has come already: over a connection that is no socket, Node hands over a whole request before it reports it. */
function hasEnded ({ stream }: Http2ServerRequest): boolean {
  return isAtEnd(stream) && !stream.aborted && stream.rstCode === NGHTTP2_NO_ERROR
}

/** The body of one HTTP/2 stream. Its session and the other streams go on, whatever happens to it. */
class StreamSource extends BodySource implements StreamSink {
  readonly protocol = 'h2'
  readonly peer: Peer
  readonly #guard: GuardContext
  readonly #stream: ServerHttp2Stream
  readonly #request: Http2ServerRequest
  readonly #session: SessionRead | undefined
  /** END_STREAM came. */
  #ended: boolean
  #read: BodyRead | undefined

  constructor (guard: GuardContext, request: Http2ServerRequest) {
    super()
    this.#guard = guard
    this.#request = request
    this.#stream = request.stream
    this.#ended = hasEnded(request)
    this.#session = sessionOf(request.stream)
    this.peer = this.#session?.peer ?? peerOf(request.socket, 'h2')
  }

  watch (read: BodyRead): void {
    this.#read = read
    this.#guard.heartbeat.add(read)
    watchStream(this.#stream, this)
  }

  onEndStream (): void {
    this.#ended = true
  }

  /** Called before Node declines the rest of a request that has no consumer yet. */
  onAnswerOut (): void {
    if (this.#read?.isDone === false) this.#read.abandonIfAnswerSent()
  }

  /**
   * The stream is only read while its request is. Until then its window limits what comes in. Other streams can't use up the
   * window of the session: Node opens that again as bytes come, read or not.
   */
  isHeldBack (): boolean {
    return this.#stream.isPaused() || !isBeingRead(this.#request as unknown as IncomingMessage)
  }

  override watchResume (): void {
    this.#stream.once('resume', () => this.#read?.onResume())
  }

  onLimitsChanged (): void {
    if (this.#read !== undefined) this.#guard.heartbeat.wake(this.#read)
  }

  onBodyEnd (): void {
    if (this.#read !== undefined) this.#guard.heartbeat.delete(this.#read)
  }

  get socket (): undefined {
    return undefined
  }

  override get canAnswer (): boolean {
    return !this.#stream.closed
  }

  override get declinesEarly (): boolean {
    return true
  }

  /** The stream below the response: the compatibility layer holds 'finish' back until it closes. */
  override endOf (response: ServerResponse): ServerHttp2Stream {
    return (response as unknown as { readonly stream: ServerHttp2Stream }).stream // of the compatibility layer's class
  }

  override isTakenSoFar (response: ServerResponse): boolean {
    const { headersSent, writableLength } = this.endOf(response)
    return headersSent && writableLength === 0
  }

  /** A stream also finishes when it is reset, and that of a HEAD request before its answer, which is only headers, is given. */
  override isAnswerOut (response: ServerResponse): boolean {
    const stream = this.endOf(response)
    return stream.writableFinished && stream.headersSent && !stream.aborted
  }

  /** The compatibility layer takes no callback, and nothing is queued before it. */
  override sendContinue (response: ServerResponse, onSent: () => void): void {
    response.writeContinue()
    onSent()
  }

  /** On HTTP/2 other requests have streams of their own. */
  announceClose (): void {}

  override onReadFailed ({ code }: ReadError): void {
    if (blameFor(code) !== 'client_gone') this.#session?.onReadFailed()
  }

  override prepareAnswer (response: ServerResponse, linger: LingerOptions | false): void {
    this.#guard.heartbeat.add(new StreamAnswer(this.#guard, this.#stream, this.#session, response, linger))
  }

  /** RFC 9113 §8.1: after a complete answer the rest of the request can be declined without an error. */
  abandon (linger: LingerOptions | false): void {
    this.onBodyEnd()
    new StreamLinger(this.#guard, this.#stream, linger).begin()
  }

  /** If a stream is reset while nghttp2 is handing over data, Node 22 and 26 end the process. */
  override get isDelivering (): boolean {
    return !this.#stream.closed
  }

  cut (): void {
    this.onBodyEnd()
    cancel(this.#stream)
  }

  override cutBy (): Violation | undefined {
    const isWhole = this.#ended && !this.#stream.aborted && this.#stream.rstCode === NGHTTP2_NO_ERROR
    return isWhole || this.#read === undefined ? undefined : this.#violation(this.#read)
  }

  /**
   * Without an error the consumer would take a truncated body for a complete one. A body that was sent whole is no failed read,
   * even if its client leaves before the consumer has taken it.
   */
  onAborted (): void {
    const read = this.#read
    if (read === undefined) return
    if (this.#ended) read.abandon({ isAnswerOut: true })
    else read.onTruncated(this.#violation(read))
  }

  /**
   * nghttp2 resets a stream whose body is shorter or longer than its Content-Length (RFC 9113 §8.1.1). From Node 22 on, a longer
   * one ends the whole session, and so does one that exceeds the stream's window. A client's own RST_STREAM with the same code
   * looks the same, except for the length.
   */
  #violation (read: BodyRead): Violation {
    const { expected, received } = read
    const { rstCode, errored } = this.#stream
    const cause = errored ?? undefined
    const endsSession = isProtocolError(cause)
    const isRecorded = read.error !== undefined || (read.isJudged && !read.abandonIfAnswerBegun())
    if (endsSession && isRecorded) this.#session?.markRecorded(cause)
    if (!endsSession && rstCode !== NGHTTP2_PROTOCOL_ERROR && rstCode !== NGHTTP2_FLOW_CONTROL_ERROR) return clientGone(cause)
    if (expected !== undefined && received !== expected) return { code: 'FST_READ_LENGTH_MISMATCH', cause }
    // After a reset by the client, nghttp2 waits for nothing more of the stream; after its own reset it does.
    return endsSession || !isClosedByClient(this.#stream) ? { code: 'FST_READ_MALFORMED', detail: 'HTTP/2 protocol error', cause } : clientGone(cause)
  }
}

/** Watches the body of a request that has come over HTTP/2. */
export function readStreamBody (guard: GuardContext, overHttp2: Http2ServerRequest, request: IncomingMessage, response: ServerResponse): void {
  const source = new StreamSource(guard, overHttp2)
  source.watch(new BodyRead(guard, source, request, response, guard.options.policy))
}
