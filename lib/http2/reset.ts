import { constants, type ServerHttp2Stream } from 'node:http2'

/*
 * How the guard ends a client's stream while the session goes on.
 */

/** Declines the rest of a request whose complete answer has left (RFC 9113 §8.1): nothing went wrong. */
export function decline (stream: ServerHttp2Stream): void {
  if (!stream.closed) stream.close(constants.NGHTTP2_NO_ERROR)
}

/** Ends the exchange of a stream, answered or not. */
export function cancel (stream: ServerHttp2Stream): void {
  if (!stream.closed) stream.close(constants.NGHTTP2_CANCEL)
  // Unread bytes that the client sent before it reset the stream would keep the stream.
  else setImmediate(() => stream.destroy())
}

/** Like `cancel()`, for a client that opens no window: the RST_STREAM may be as stuck as the answer was. */
export function cancelUnsent (stream: ServerHttp2Stream): void {
  cancel(stream)
  setImmediate(() => stream.destroy())
}
