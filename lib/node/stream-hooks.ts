import type { ServerHttp2Stream } from 'node:http2'
import { Readable } from 'node:stream'

const { push } = Readable.prototype

/**
 * Tells of END_STREAM, by an override of `push` on the instance. After an early answer Node ends a stream that is reset in
 * the same way, only that it has closed it before. Tested on Node 20, 22, 24 and 26.
 */
export function watchEndStream (stream: ServerHttp2Stream, onEndStream: () => void): void {
  stream.push = function (this: ServerHttp2Stream, chunk: unknown, encoding?: BufferEncoding): boolean {
    if (chunk === null && !this.closed) onEndStream()
    return push.call(this, chunk, encoding)
  }
}
