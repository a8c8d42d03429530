import { EventEmitter } from 'node:events'
import type { ServerHttp2Stream } from 'node:http2'
import { Readable } from 'node:stream'

/*
 * The methods of an HTTP/2 stream that are overridden, on the instance. Tested on Node 20, 22, 24 and 26.
 */

/** Receives the end of a stream. */
export interface StreamOwner {
  /** All that came was read, and every listener was told. */
  onEnd (): void
  /** The stream is closed, and no listener has been told yet. */
  onClose (): void
}

/** Receives what happens to a stream, for its body, before any listener is told: Node's compatibility layer has some. */
export interface StreamSink {
  /** END_STREAM came. */
  onEndStream (): void
  /** The answer was handed over. */
  onAnswerOut (): void
  /** The stream was reset, or its session is gone, before its answer was handed over. */
  onAborted (): void
}

const kOwner = Symbol('fastify-read-guard.stream-owner')
const kSink = Symbol('fastify-read-guard.stream-sink')
const kEmit = Symbol('fastify-read-guard.stream-emit')

interface GuardedStream extends ServerHttp2Stream {
  [kOwner]?: StreamOwner
  [kSink]?: StreamSink
  /** The `emit` that was found, if it is not Node's: another package (tracing, `domain`) has put its own there. */
  [kEmit]?: ServerHttp2Stream['emit']
}

const { push } = Readable.prototype
const { emit } = EventEmitter.prototype

/** One override instead of four listeners, which would take longer to add than all else that is done for a stream. */
function tellingEmit (this: GuardedStream, event: string | symbol): boolean {
  switch (event) {
    case 'close':
      this[kOwner]?.onClose()
      break
    case 'finish':
      this[kSink]?.onAnswerOut()
      break
    case 'aborted':
      this[kSink]?.onAborted()
  }
  // eslint-disable-next-line prefer-rest-params -- an array of the rest would be made for every event
  const isHeard = (this[kEmit] ?? emit).apply(this, arguments as unknown as [string])
  if (event === 'end') this[kOwner]?.onEnd()
  return isHeard
}

/** After an early answer, Node ends a stream that is reset just as at END_STREAM, except that it has closed the stream before. */
function tellingPush (this: GuardedStream, chunk: unknown, encoding?: BufferEncoding): boolean {
  if (chunk === null && !this.closed) this[kSink]?.onEndStream()
  return push.call(this, chunk, encoding)
}

function hook (stream: GuardedStream): void {
  if (stream[kOwner] !== undefined || stream[kSink] !== undefined) return
  if (stream.emit !== emit) stream[kEmit] = stream.emit
  stream.emit = tellingEmit
}

/** Tells the owner of the end of a stream. */
export function ownStream (stream: GuardedStream, owner: StreamOwner): void {
  hook(stream)
  stream[kOwner] = owner
}

export function ownerOfStream (stream: GuardedStream): StreamOwner | undefined {
  return stream[kOwner]
}

/** Tells the sink what happens to a stream. If the guard doesn't know the session, the stream has no owner. */
export function watchStream (stream: GuardedStream, sink: StreamSink): void {
  hook(stream)
  stream[kSink] = sink
  stream.push = tellingPush
}
