import { maxHeaderSize as defaultMaxHeaderSize, type Server, type ServerResponse } from 'node:http'
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'

/*
 * Undocumented internals of Node's HTTP servers. Each was looked up in, and is pinned by tests on, Node 20, 22, 24 and 26.
 */

/** `HTTPParser.kOnMessageBegin`: the key of the parser's callback for the first byte of a message. Node itself sets none. */
const kOnMessageBegin = 0

interface HttpSocket extends Socket {
  server?: Server
  /** The response whose turn it is on this connection. */
  _httpMessage?: ServerResponse | null
  parser?: HttpParser | null
  _parent?: Socket | null
  _bytesDispatched?: number
  /** Set while Node itself has paused the socket. */
  _paused?: boolean
  _handle?: WriteHandle & { getpeername? (name: PeerName): number } | null
}

interface HttpParser {
  maxHeaderPairs: number
  readonly socket?: Socket | null
  [kOnMessageBegin]?: (this: HttpParser) => void
}

interface WriteHandle {
  /** Bytes handed over. */
  readonly bytesWritten?: number
  /** Bytes handed over that the kernel has not taken yet. Over TLS, only the count of the TCP connection below goes down. */
  readonly writeQueueSize?: number
}

export interface PeerName {
  readonly address?: string
  readonly family?: string
  readonly port?: number
}

/** The peer's address; empty if the connection is broken, or has none. Unlike `socket.remoteAddress`, Node doesn't cache it. */
export function peerNameOf (socket: Socket): PeerName {
  const name: PeerName = {}
  ;(socket as HttpSocket)._handle?.getpeername?.(name)
  return name
}

/** The address that a wrapper of the server (PROXY protocol) has put on the socket in place of Node's own; empty if none. */
export function givenPeerName (socket: Socket): PeerName {
  if (!Object.hasOwn(socket, 'remoteAddress')) return {}
  const { remoteAddress: address, remotePort: port } = socket
  return { ...(address !== undefined && { address }), ...(port !== undefined && { port }) }
}

/** Bytes that the kernel hasn't taken yet. The socket's own count misses those that an HTTP/2 session hands over. */
export function bytesBeingWritten (socket: Socket): number {
  return (socket as HttpSocket)._handle?.writeQueueSize ?? 0
}

/** Whether Node has paused the socket because the client does not take its answers, and not because of the application. */
export function isPausedForAnswers (socket: Socket): boolean {
  return (socket as HttpSocket)._paused === true
}

/** Bytes that the operating system has taken of what was written. Over TLS, bytes that wait are counted as encrypted. */
export function bytesTaken (socket: Socket): number {
  const dispatched = (socket as HttpSocket)._handle?.bytesWritten ?? socket.bytesWritten
  return Math.max(0, dispatched - bytesBeingWritten(rawSocketOf(socket) ?? socket))
}

const EVENT_STREAM = /^content-type: *text\/event-stream/im
const CONTENT_LENGTH = /^content-length: *(\d+)\r$/im

/** Headers given to `writeHead()` are only in the text of `_header`. Over HTTP/2 it is a flag: whether they were sent. */
type WithHeader = ServerResponse & { readonly _header?: string | boolean | null }

/** The length of the body, in bytes, that a response that has begun declares. */
export function declaredLength (response: WithHeader): number | undefined {
  const { _header: text } = response
  const length = typeof text === 'string' ? CONTENT_LENGTH.exec(text)?.[1] : response.getHeader('content-length')
  return length === undefined ? undefined : Number(length)
}

/** Like `declaredLength()`, plus the head, over HTTP/1. The client knows the end from that, even if Node has yet to finish it. */
export function declaredSize (response: WithHeader): number | undefined {
  const length = declaredLength(response)
  return length === undefined || typeof response._header !== 'string' ? undefined : length + response._header.length
}

/** Whether a response that has begun is an event stream. */
export function isEventStream (response: WithHeader): boolean {
  if (!response.headersSent) return false
  const { _header: text } = response
  return EVENT_STREAM.test(typeof text === 'string' ? text : `content-type: ${String(response.getHeader('content-type'))}`)
}

/** Bytes that were handed to the socket's handle so far. It is a plain field, while `socket.bytesWritten` adds up what waits. */
export function bytesHandedOver (socket: Socket): number {
  return (socket as HttpSocket)._bytesDispatched ?? 0
}

/** Whether any of a response was given to its connection. One that waits for its turn has no connection, and holds it all. */
export function hasBegun ({ headersSent, socket, writableLength }: ServerResponse): boolean {
  return headersSent && (socket !== null || writableLength === 0)
}

/** Ends a connection without regard to what waits to be sent. */
export function resetConnection (socket: Socket): void {
  const below = rawSocketOf(socket)
  if (below === undefined) socket.resetAndDestroy()
  else below.resetAndDestroy()
  socket.destroy()
}

/** The response that this connection still owes to an earlier request. */
export function pendingResponse (socket: Socket): ServerResponse | undefined {
  return (socket as HttpSocket)._httpMessage ?? undefined
}

/**
 * Makes Node forget a request that gets no response: it keeps each one until its response is finished (`resOnFinish`). The
 * request must be the first that its connection still owes an answer: Node asserts that, and a failed assertion ends the process.
 */
export function forget (response: ServerResponse): void {
  response.emit('finish')
}

/** The server that accepted the connection. */
export function serverOf (socket: Socket): Server | undefined {
  return (socket as HttpSocket).server
}

/** How long a client may be silent between two requests, in milliseconds; 0 is for ever. */
export function keepAliveTimeoutOf (socket: Socket): number {
  return serverOf(socket)?.keepAliveTimeout ?? 0
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

/** Header lines that a head may have. Node 20 silently discards more; later versions refuse them, as of 22.23 and 24.21. */
export function maxHeadersCount (socket: Socket): number {
  const count = serverOf(socket)?.maxHeadersCount
  if (typeof count !== 'number') return DEFAULT_MAX_HEADERS
  return count > 0 ? count : Infinity
}

/** Lets one header line too many be seen: Node 20 discards lines in batches (of 31), and the first one too many might be gone. */
export function keepOneMoreHeader (socket: Socket): void {
  const { parser } = socket as HttpSocket
  if (parser != null && parser.maxHeaderPairs > 0) parser.maxHeaderPairs += 2 // name and value
}

/**
 * Tells Node to leave a connection open when its client has ended its side: by default Node ends it, even if an answer is still
 * owed. Instead, the listener of 'end' decides.
 */
export function allowHalfOpen (server: Server & { httpAllowHalfOpen?: boolean }): void {
  server.httpAllowHalfOpen = true
}

/** Node reuses its parsers, so one function serves all of them, and asks the parser which socket it has now. */
export function headWatcher (onHead: (socket: Socket) => void): (socket: Socket) => void {
  function tellBegun (this: HttpParser): void {
    if (this.socket != null) onHead(this.socket)
  }
  return (socket) => {
    const { parser } = socket as HttpSocket
    if (parser != null) parser[kOnMessageBegin] = tellBegun
  }
}

/** How much longer than the guard's own limit Node's timer is, in milliseconds. */
const BACKSTOP_MARGIN = 1_000
/** How often Node checks its timeouts, in milliseconds; its default is 30 000. It takes effect when the server starts to listen. */
const BACKSTOP_INTERVAL = 1_000

/** Node's `headersTimeout` if none was given, in milliseconds. */
const DEFAULT_HEADERS_TIMEOUT = 60_000

interface BackstopServer extends Server {
  connectionsCheckingInterval?: number
}

/** What the guard has set in place of Node's default. */
const backstops = new WeakMap<Server, number>()

/**
 * Sets Node's `headersTimeout` a little above ours, unless the application has given its own. It must never be above a
 * `requestTimeout` that is on: Node takes the smaller of the two for the head section, whatever it is called, and the
 * larger for the whole request.
 *
 * @param isGiven whether the application has given one, even if it is Node's default
 */
export function setBackstop (server: BackstopServer, headersTimeout: number, { isGiven }: { readonly isGiven: boolean }): void {
  const { requestTimeout } = server
  if (!isGiven && server.headersTimeout === (backstops.get(server) ?? DEFAULT_HEADERS_TIMEOUT)) {
    const backstop = headersTimeout > 0 ? headersTimeout + BACKSTOP_MARGIN : DEFAULT_HEADERS_TIMEOUT
    server.headersTimeout = requestTimeout > 0 ? Math.min(backstop, requestTimeout) : backstop
    backstops.set(server, server.headersTimeout)
  }
  server.connectionsCheckingInterval = Math.min(server.connectionsCheckingInterval ?? BACKSTOP_INTERVAL, BACKSTOP_INTERVAL)
}

/** Whether Node's `headersTimeout` is ours with the margin: not the application's own, and no smaller `requestTimeout`. */
export function isBackstop (server: Server, headersTimeout: number): boolean {
  return headersTimeout > 0 && server.headersTimeout === headersTimeout + BACKSTOP_MARGIN
}

/** Like `isBackstop()`, for the server that accepted the connection. */
export function hasBackstop (socket: Socket, headersTimeout: number): boolean {
  const server = serverOf(socket)
  return server !== undefined && isBackstop(server, headersTimeout)
}

/** Whether Node's `headersTimeout` is below ours, and is the default as far as its value shows: the server was made elsewhere. */
export function isDefaultBelow (server: Server, headersTimeout: number): boolean {
  return server.headersTimeout === DEFAULT_HEADERS_TIMEOUT && (headersTimeout > DEFAULT_HEADERS_TIMEOUT || headersTimeout === 0)
}

/** Bytes that a header section may have. */
export function maxHeaderSize (socket: Socket): number {
  return (serverOf(socket) as (Server & { maxHeaderSize?: number }) | undefined)?.maxHeaderSize ?? defaultMaxHeaderSize
}

/** Whether Node refused a body that the method or status forbids (`rejectNonStandardBodyWrites`). By then the head is written. */
export function isBodyRefused (error: unknown): boolean {
  return (error as { code?: string }).code === 'ERR_HTTP_BODY_NOT_ALLOWED'
}

/** Whether the first bytes of an answer over HTTP/1 have left: `headersSent` only says that its head is made. */
export function hasLeft (response: ServerResponse): boolean {
  return (response as ServerResponse & { readonly _headerSent?: boolean })._headerSent === true
}

/** Whether the whole answer was handed to the operating system. */
export function isAnswerOut (response: ServerResponse): boolean {
  return response.writableFinished
}

/** Puts a response on its connection when it is its turn, as Node does with the responses that it makes itself. */
export function assignResponse (response: ServerResponse, socket: Socket): void {
  response.assignSocket(socket)
}

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

/** Whether Node reads HTTP/1 from the connection: not from one that is still in its TLS handshake, nor from an HTTP/2 session. */
export function speaksHttp1 (socket: Socket): boolean {
  return (socket as HttpSocket).parser != null
}

/**
 * Whether a wrapper of the server waits for its client on a connection that Node's parser has not got yet: it listens for bytes,
 * and has taken those that came.
 */
export function isAwaitedByWrapper (socket: Socket): boolean {
  if (socket.listenerCount('readable') > 0) return socket.readableLength === 0
  return socket.listenerCount('data') > 0 && !socket.isPaused()
}

/** Whether a server asks its clients for a certificate. */
export function asksForCertificate (server: Server): boolean {
  return (server as Server & { requestCert?: boolean }).requestCert === true
}

type SniCallback = (this: Socket, servername: string, done: (error: Error | null, context?: unknown) => void) => void

/** The description of the symbol by which a TLS server keeps its `SNICallback`. */
const SNI_CALLBACK = 'snicallback'

/**
 * Calls back when the application looks for a certificate, and when it has found one. Returns a function that ends this.
 *
 * @param onLooking gets the TCP connection, and returns the function to call when the certificate is found
 */
export function watchSni (server: Server, onLooking: (socket: Socket | undefined) => () => void): () => void {
  const key = Object.getOwnPropertySymbols(server).find(({ description }) => description === SNI_CALLBACK)
  const holder = server as unknown as Record<symbol, SniCallback | undefined>
  const given = key === undefined ? undefined : holder[key]
  if (key === undefined || given === undefined) return () => {}
  const watched: SniCallback = function (servername, done) {
    const onFound = onLooking(rawSocketOf(this))
    given.call(this, servername, (...found) => {
      onFound()
      done(...found)
    })
  }
  holder[key] = watched
  return () => { if (holder[key] === watched) holder[key] = given }
}

/** The TCP connection under a TLS one. */
export function rawSocketOf (socket: Socket): Socket | undefined {
  return (socket as HttpSocket)._parent ?? undefined
}
