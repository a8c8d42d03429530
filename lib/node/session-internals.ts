import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'

/*
 * Undocumented state of HTTP/2 sessions and streams. Each was looked up in, and is pinned by tests on, Node 20, 22, 24 and 26.
 */

/** The socket itself. `session.socket` is a stand-in that ends with the session, but its methods return the socket. */
export function socketOfSession (session: ServerHttp2Session): Socket {
  return session.socket.off('close', () => {})
}

/** Whether END_STREAM was sent, or nothing more can be. 'finish' doesn't show it: while the window is closed, it can't leave. */
export function isEndSent ({ destroyed, state }: ServerHttp2Stream): boolean {
  return destroyed || state.localClose !== 0
}

/**
 * Whether part of the answer on a stream waits for its client. Fastify writes a large answer in pieces, and Node ends the stream
 * of a HEAD request before its answer is given.
 */
export function waitsForClient (stream: ServerHttp2Stream): boolean {
  return stream.writableLength > 0 || (stream.writableEnded && stream.headersSent && !isEndSent(stream))
}

/** Whether nghttp2 waits for nothing more of a stream. After its own reset it still waits. */
export function isClosedByClient ({ state }: ServerHttp2Stream): boolean {
  return state.remoteClose !== 0
}
