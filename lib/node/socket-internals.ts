import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/*
 * Undocumented state of connections. Each was looked up in, and is pinned by tests on, Node 20, 22, 24 and 26.
 */

/** `HTTPParser.kOnMessageBegin`: the key of the parser's callback for the first byte of a message. Node itself sets none. */
const kOnMessageBegin = 0

interface HttpSocket extends Socket {
  server?: Server
  /** The response whose turn it is on this connection. */
  _httpMessage?: ServerResponse | null
  parser?: HttpParser | null
  _parent?: Socket | null
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

/** The address that a wrapper of the server (PROXY protocol) has put on the socket in place of Node's own. */
export function givenPeerName (socket: Socket): { readonly address: string | undefined, readonly port: number | undefined } | undefined {
  if (!Object.hasOwn(socket, 'remoteAddress')) return undefined
  const { remoteAddress: address, remotePort: port } = socket
  return { address, port }
}

/** Bytes that the kernel hasn't taken yet. The socket's own count misses those that an HTTP/2 session hands over. */
export function bytesBeingWritten (socket: Socket): number {
  return (socket as HttpSocket)._handle?.writeQueueSize ?? 0
}

/** Whether Node has paused the socket because the client does not take its answers, and not because of the application. */
export function isPausedForAnswers (socket: Socket): boolean {
  return (socket as HttpSocket)._paused === true
}

/** Bytes that were handed to the operating system so far. A duplex that is no socket may count nothing. */
export function bytesHandedOver (socket: Socket): number {
  return (socket as HttpSocket)._handle?.bytesWritten ?? (socket as Partial<Socket>).bytesWritten ?? 0
}

/** Bytes that the operating system has taken of what was written. Over TLS, bytes that wait are counted as encrypted. */
export function bytesTaken (socket: Socket): number {
  return Math.max(0, bytesHandedOver(socket) - bytesBeingWritten(rawSocketOf(socket) ?? socket))
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

/** Lets one header line too many be seen: Node 20 discards lines in batches (of 31), and the first one too many might be gone. */
export function keepOneMoreHeader (socket: Socket): void {
  const { parser } = socket as HttpSocket
  if (parser != null && parser.maxHeaderPairs > 0) parser.maxHeaderPairs += 2 // name and value
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

/** The TCP connection under a TLS one. */
export function rawSocketOf (socket: Socket): Socket | undefined {
  return (socket as HttpSocket)._parent ?? undefined
}
