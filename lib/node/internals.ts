import { maxHeaderSize as defaultMaxHeaderSize, type Server, type ServerResponse } from 'node:http'
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'

/*
 * What Node's HTTP servers keep without documenting it. Each was looked up in, and is pinned by tests on, Node 20, 22, 24
 * and 26.
 */

interface HttpSocket extends Socket {
  server?: Server
  /** The response whose turn it is on this connection. */
  _httpMessage?: ServerResponse | null
  parser?: { maxHeaderPairs: number } | null
  _parent?: Socket | null
  /** Node's own mark of a pause of its own. */
  _paused?: boolean
  _handle?: WriteHandle & { getpeername? (name: PeerName): number } | null
}

interface WriteHandle {
  /** Bytes handed over. */
  readonly bytesWritten?: number
  /** Bytes handed over that the kernel has not taken yet. Over TLS only that of the TCP connection below grows shorter. */
  readonly writeQueueSize?: number
}

export interface PeerName {
  readonly address?: string
  readonly family?: string
  readonly port?: number
}

/** Who is at the other end; nothing where the connection is broken, or has no names. Node keeps the answer to `socket.remoteAddress`. */
export function peerNameOf (socket: Socket): PeerName {
  const name: PeerName = {}
  ;(socket as HttpSocket)._handle?.getpeername?.(name)
  return name
}

/** Bytes that the kernel has not taken yet: an HTTP/2 session hands them over past what the socket itself counts. */
export function bytesBeingWritten (socket: Socket): number {
  return (socket as HttpSocket)._handle?.writeQueueSize ?? 0
}

/** Whether Node has paused the socket because the client does not take its answers, and not because of the application. */
export function isPausedForAnswers (socket: Socket): boolean {
  return (socket as HttpSocket)._paused === true
}

/** Bytes that the operating system has taken of what was written. Over TLS those that wait are counted encrypted. */
export function bytesTaken (socket: Socket): number {
  const dispatched = (socket as HttpSocket)._handle?.bytesWritten ?? socket.bytesWritten
  return Math.max(0, dispatched - bytesBeingWritten(rawSocketOf(socket) ?? socket))
}

/** The response that this connection still owes to an earlier request. */
export function pendingResponse (socket: Socket): ServerResponse | undefined {
  return (socket as HttpSocket)._httpMessage ?? undefined
}

/**
 * Node keeps a request until its response is finished (`resOnFinish`): takes leave of one that gets none. It must be the
 * first of those that its connection still owes an answer: Node asserts so, and an assertion ends the process.
 */
export function forget (response: ServerResponse): void {
  response.emit('finish')
}

/** The server that accepted the connection. */
function serverOf (socket: Socket): Server | undefined {
  return (socket as HttpSocket).server
}

/** Waiting between requests is over: Node does the same when a request is dispatched (`resetSocketTimeout`). */
export function keepAliveOver (socket: Socket): void {
  socket.setTimeout(serverOf(socket)?.timeout ?? 0)
}

/** Waiting for the next request goes on: Node does the same when a response is finished (`resOnFinish`). */
export function keepAliveAgain (socket: Socket): void {
  const server = serverOf(socket)
  if (server !== undefined && server.keepAliveTimeout > 0) socket.setTimeout(server.keepAliveTimeout)
}

/** The `maxHeaderPairs` of Node's parser, halved. */
const DEFAULT_MAX_HEADERS = 1000

/** Header lines that a head may have. Node 20 drops more without a word; later versions refuse them, as of 22.23 and 24.21. */
export function maxHeadersCount (socket: Socket): number {
  const count = serverOf(socket)?.maxHeadersCount
  if (typeof count !== 'number') return DEFAULT_MAX_HEADERS
  return count > 0 ? count : Infinity
}

/** Lets one header line too many be seen: Node 20 drops lines in batches (of 31), and the first of them might be gone. */
export function keepOneMoreHeader (socket: Socket): void {
  const { parser } = socket as HttpSocket
  if (parser != null && parser.maxHeaderPairs > 0) parser.maxHeaderPairs += 2 // name and value
}

/** How far behind the guard's own limit Node's timer stands, in milliseconds. */
const BACKSTOP_MARGIN = 1_000
/** How often Node looks for what its timers say, in milliseconds; its default is 30 000. Taken up when the server starts to listen. */
const BACKSTOP_INTERVAL = 1_000

interface BackstopServer extends Server {
  connectionsCheckingInterval?: number
}

/**
 * Sets Node's `headersTimeout` behind ours. It must never be above a `requestTimeout` that is on: Node takes the
 * smaller of the two for the head section, whatever it is called, and the larger for the whole request.
 */
export function setBackstop (server: BackstopServer, headersTimeout: number): void {
  const { requestTimeout } = server
  const backstop = headersTimeout > 0 ? headersTimeout + BACKSTOP_MARGIN : server.headersTimeout
  server.headersTimeout = requestTimeout > 0 ? Math.min(backstop, requestTimeout) : backstop
  server.connectionsCheckingInterval = Math.min(server.connectionsCheckingInterval ?? BACKSTOP_INTERVAL, BACKSTOP_INTERVAL)
}

/** Whether Node's `headersTimeout` is ours with the margin: not the application's own, and no smaller `requestTimeout`. */
export function isBackstop (server: Server, headersTimeout: number): boolean {
  return headersTimeout > 0 && server.headersTimeout === headersTimeout + BACKSTOP_MARGIN
}

/** Bytes that a header section may have. */
export function maxHeaderSize (socket: Socket): number {
  return (serverOf(socket) as (Server & { maxHeaderSize?: number }) | undefined)?.maxHeaderSize ?? defaultMaxHeaderSize
}

/** Whether Node refuses a body that its method or status does not have (`rejectNonStandardBodyWrites`); the head has been written by then. */
export function isBodyRefused (error: unknown): boolean {
  return (error as { code?: string }).code === 'ERR_HTTP_BODY_NOT_ALLOWED'
}

/** Whether the whole answer was handed to the operating system. */
export function isAnswerOut (response: ServerResponse): boolean {
  return response.writableFinished
}

/** Puts a response on a connection whose turn it is, as Node does with those that it makes itself. */
export function assignResponse (response: ServerResponse, socket: Socket): void {
  response.assignSocket(socket)
}

/** The socket itself, where a session shows a stand-in that ends with it: a method of the stand-in returns the socket below. */
export function socketOfSession (session: ServerHttp2Session): Socket {
  return session.socket.off('close', () => {})
}

/** Whether END_STREAM was sent, or nothing more can be: what Node has of a stream may have left nghttp2, or not. */
export function isEndSent ({ destroyed, state }: ServerHttp2Stream): boolean {
  return destroyed || state.localClose !== 0
}

/** Whether nghttp2 waits for nothing more of a stream: not after a reset of its own. */
export function isClosedByClient ({ state }: ServerHttp2Stream): boolean {
  return state.remoteClose !== 0
}

/** Whether Node reads HTTP/1 from the connection: not from one that is still in its TLS handshake, nor from an HTTP/2 session. */
export function speaksHttp1 (socket: Socket): boolean {
  return (socket as HttpSocket).parser != null
}

/** The TCP connection under a TLS one. */
export function rawSocketOf (socket: Socket): Socket | undefined {
  return (socket as HttpSocket)._parent ?? undefined
}
