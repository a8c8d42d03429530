import { constants, type Http2ServerRequest, type ServerHttp2Stream } from 'node:http2'
import type { BodyRead } from './body-read.js'
import type { BodySource } from './body-source.js'
import type { Violation } from './errors.js'
import type { Guard } from './guard.js'
import { isBeingRead } from './incoming.js'

const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR, NGHTTP2_PROTOCOL_ERROR } = constants

/** Whether the client may not send, because other streams have taken up what the whole session may have under way. */
function isWindowClosed (stream: ServerHttp2Stream): boolean {
  const { effectiveLocalWindowSize = 1, effectiveRecvDataLength = 0 } = stream.session?.state ?? {}
  return effectiveLocalWindowSize - effectiveRecvDataLength <= 0
}

/** The body of one HTTP/2 stream. Its session and the other streams go on, whatever becomes of it. */
export class StreamSource implements BodySource {
  readonly protocol = 'h2'
  readonly #guard: Guard
  readonly #stream: ServerHttp2Stream
  readonly #request: Http2ServerRequest
  #read: BodyRead | undefined
  readonly #onResume = (): void => {
    this.#stream.off('resume', this.#onResume)
    this.#read?.resumed()
  }

  constructor (guard: Guard, request: Http2ServerRequest) {
    this.#guard = guard
    this.#request = request
    this.#stream = request.stream
  }

  watch (read: BodyRead): void {
    this.#read = read
    this.#guard.heartbeat.add(read)
    // Before the compatibility layer tells the consumer, who would take the truncated body for a complete one.
    this.#stream.prependListener('aborted', () => read.truncated(this.#violation(read)))
  }

  isHeldBack (): boolean {
    // The stream is read as its request is; only its window bounds what comes in before.
    return this.#stream.isPaused() || !isBeingRead(this.#request as never) || isWindowClosed(this.#stream)
  }

  watchResume (): void {
    this.#stream.on('resume', this.#onResume)
  }

  discarded (): void {}

  ended (): void {
    if (this.#read !== undefined) this.#guard.heartbeat.delete(this.#read)
  }

  /** RFC 9113 §8.1: after a complete answer the rest of the request can be declined without an error. */
  abandoned (): void {
    this.ended()
    if (!this.#stream.closed) this.#stream.close(NGHTTP2_NO_ERROR)
  }

  cut (): void {
    this.ended()
    if (!this.#stream.closed) this.#stream.close(NGHTTP2_CANCEL)
  }

  isCut (): boolean {
    return this.#stream.aborted || this.#stream.rstCode !== NGHTTP2_NO_ERROR
  }

  /**
   * nghttp2 resets a stream that keeps less or more than its Content-Length promised (RFC 9113 §8.1.1); from Node 22 on
   * more of it ends the whole session.
   */
  #violation ({ expected }: BodyRead): Violation {
    const { rstCode, errored } = this.#stream
    const refused = rstCode === NGHTTP2_PROTOCOL_ERROR || (errored as NodeJS.ErrnoException | null)?.code === 'ERR_HTTP2_ERROR'
    const cause = errored ?? undefined
    if (!refused) return { code: 'FST_READ_ABORTED', cause }
    return expected === undefined ? { code: 'FST_READ_MALFORMED', detail: 'HTTP/2 protocol error', cause } : { code: 'FST_READ_LENGTH_MISMATCH', cause }
  }
}
