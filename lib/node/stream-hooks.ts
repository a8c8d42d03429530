import type { ServerHttp2Stream } from 'node:http2'
import { Readable } from 'node:stream'

/** Receives what happens to a stream, for its body. */
export interface StreamSink {
  /** END_STREAM came. */
  onEndStream (): void
  /** The answer was handed over. */
  onAnswerOut (): void
  /** The stream was reset, or its session is gone, before its answer was handed over. */
  onAborted (): void
}

const kSink = Symbol('fastify-read-guard.stream-sink')

interface GuardedStream extends ServerHttp2Stream {
  [kSink]?: StreamSink
}

const { push } = Readable.prototype

/** After an early answer, Node ends a stream that is reset just as at END_STREAM, except that it has closed the stream before. */
function tellingPush (this: GuardedStream, chunk: unknown, encoding?: BufferEncoding): boolean {
  if (chunk === null && !this.closed) this[kSink]?.onEndStream()
  return push.call(this, chunk, encoding)
}

function tellAnswerOut (this: GuardedStream): void {
  this[kSink]?.onAnswerOut()
}

function tellAborted (this: GuardedStream): void {
  this[kSink]?.onAborted()
}

/**
 * Reports what happens to a stream before Node's compatibility layer learns of it, by an override of `push` on the instance, and by
 * listeners that all streams share. Tested on Node 20, 22, 24 and 26.
 */
export function watchStream (stream: GuardedStream, sink: StreamSink): void {
  stream[kSink] = sink
  stream.push = tellingPush
  stream.prependListener('finish', tellAnswerOut)
  stream.prependListener('aborted', tellAborted)
}
