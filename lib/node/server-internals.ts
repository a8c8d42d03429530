import { maxHeaderSize as defaultMaxHeaderSize, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { rawSocketOf, serverOf } from './socket-internals.js'

/*
 * Undocumented settings of servers. Each was looked up in, and is pinned by tests on, Node 20, 22, 24 and 26.
 */

/** The `maxHeaderPairs` of Node's parser, halved. */
const DEFAULT_MAX_HEADERS = 1000

/** Header lines that a head may have. Node 20 silently discards more; later versions refuse them, as of 22.23 and 24.21. */
export function maxHeadersCount (socket: Socket): number {
  const count = serverOf(socket)?.maxHeadersCount
  if (typeof count !== 'number') return DEFAULT_MAX_HEADERS
  return count > 0 ? count : Infinity
}

/**
 * Tells Node to leave a connection open when its client has ended its side: by default Node ends it, even if an answer is still
 * owed. Instead, the listener of 'end' decides.
 */
export function allowHalfOpen (server: Server & { httpAllowHalfOpen?: boolean }): void {
  server.httpAllowHalfOpen = true
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
