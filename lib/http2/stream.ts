import { constants, type Http2ServerRequest, type ServerHttp2Stream } from 'node:http2'
import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { Peer } from '../record/abort-record.js'
import type { BodyRead } from '../body/body-read.js'
import type { BodySource } from '../body/body-source.js'
import type { Violation } from '../record/errors.js'
import type { Guard } from '../guard.js'
import { StreamAnswer } from './answer.js'
import { isProtocolError, tell } from './errors.js'
import { StreamLinger } from './linger.js'
import { peerOfStream } from './peer.js'
import { isBeingRead } from '../node/request-hooks.js'
import type { LingerOptions } from '../limits/resolve.js'

const { push } = Readable.prototype
const { NGHTTP2_CANCEL, NGHTTP2_FLOW_CONTROL_ERROR, NGHTTP2_NO_ERROR, NGHTTP2_PROTOCOL_ERROR } = constants

/**
 * Tells of END_STREAM. After an early answer Node ends a stream that is reset in the same way, only that it has closed
 * it before. Tested on Node 20, 22, 24 and 26.
 */
function watchEnd (stream: ServerHttp2Stream, ended: () => void): void {
  stream.push = function (this: ServerHttp2Stream, chunk: unknown, encoding?: BufferEncoding): boolean {
    if (chunk === null && !this.closed) ended()
    return push.call(this, chunk, encoding)
  }
}

/** The body of one HTTP/2 stream. Its session and the other streams go on, whatever becomes of it. */
export class StreamSource implements BodySource {
  readonly protocol = 'h2'
  readonly peer: Peer | undefined
  readonly #guard: Guard
  readonly #stream: ServerHttp2Stream
  readonly #request: Http2ServerRequest
  /** END_STREAM came. */
  #ended = false
  #read: BodyRead | undefined
  readonly #onResume = (): void => {
    this.#stream.off('resume', this.#onResume)
    this.#read?.resumed()
  }

  constructor (guard: Guard, request: Http2ServerRequest) {
    this.#guard = guard
    this.#request = request
    this.#stream = request.stream
    this.peer = peerOfStream(request.stream)
  }

  watch (read: BodyRead): void {
    this.#read = read
    this.#guard.heartbeat.add(read)
    watchEnd(this.#stream, () => { this.#ended = true })
    // Before Node declines what is left of a request that nobody has begun to read.
    this.#stream.prependListener('finish', () => read.leave())
    // Before the compatibility layer tells the consumer, who would take the truncated body for a complete one.
    this.#stream.prependListener('aborted', () => this.#aborted(read))
  }

  /**
   * The stream is read as its request is; only its window bounds what comes in before. That of the whole session can't
   * be taken up by others: Node opens it again as bytes come, whoever reads them or not.
   */
  isHeldBack (): boolean {
    return this.#stream.isPaused() || !isBeingRead(this.#request as never)
  }

  watchResume (): void {
    this.#stream.on('resume', this.#onResume)
  }

  limitsChanged (): void {
    if (this.#read !== undefined) this.#guard.heartbeat.wake(this.#read)
  }

  discarded (): void {}

  ended (): void {
    if (this.#read !== undefined) this.#guard.heartbeat.delete(this.#read)
  }

  answering (response: ServerResponse, linger: LingerOptions | false): void {
    this.#guard.heartbeat.add(new StreamAnswer(this.#guard, this.#stream, response, linger))
  }

  /** RFC 9113 §8.1: after a complete answer the rest of the request can be declined without an error. */
  abandoned (linger: LingerOptions | false): void {
    this.ended()
    new StreamLinger(this.#guard, this.#stream, linger).begin()
  }

  /** Where a stream is reset in the middle of what nghttp2 hands over, Node 22 and 26 end the process. */
  get isDelivering (): boolean {
    return !this.#stream.closed
  }

  cut (): void {
    this.ended()
    if (!this.#stream.closed) this.#stream.close(NGHTTP2_CANCEL)
  }

  cutBy (): Violation | undefined {
    const isWhole = this.#ended && !this.#stream.aborted && this.#stream.rstCode === NGHTTP2_NO_ERROR
    return isWhole || this.#read === undefined ? undefined : this.#violation(this.#read)
  }

  /** A body that was sent whole is no failed read, whenever its client leaves: the consumer has not taken it yet. */
  #aborted (read: BodyRead): void {
    if (this.#ended) read.abandon(true)
    else read.truncated(this.#violation(read))
  }

  /**
   * nghttp2 resets a stream that keeps less or more than its Content-Length promised (RFC 9113 §8.1.1); from Node 22 on
   * more of it ends the whole session, as more than the stream's window does. A client's own RST_STREAM with the same code
   * looks the same, but for a length.
   */
  #violation (read: BodyRead): Violation {
    const { expected, received } = read
    const { rstCode, errored, state } = this.#stream
    const cause = errored ?? undefined
    const endsSession = isProtocolError(cause)
    const isRecorded = read.error !== undefined || (read.judged && !read.giveUp())
    if (endsSession && isRecorded) tell(cause)
    if (!endsSession && rstCode !== NGHTTP2_PROTOCOL_ERROR && rstCode !== NGHTTP2_FLOW_CONTROL_ERROR) return { code: 'FST_READ_ABORTED', cause }
    if (expected !== undefined && received !== expected) return { code: 'FST_READ_LENGTH_MISMATCH', cause }
    // After a reset of the client's nghttp2 waits for nothing more of the stream; it does after one of its own.
    return endsSession || state.remoteClose === 0 ? { code: 'FST_READ_MALFORMED', detail: 'HTTP/2 protocol error', cause } : { code: 'FST_READ_ABORTED', cause }
  }
}
