import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import { clientAddress, loggedUrl } from '../node/fastify.js'
import { blameFor, type Blame, type ReadError, type ReadErrorCode, type ReadPhase, type ReadReason } from './errors.js'

/**
 * What is logged (under the key `abort`), handed to `onAbort` and published on the diagnostics channel
 * `fastify-read-guard.abort`: exactly one for each read that failed. It carries no header value and no body byte.
 */
export interface AbortRecord {
  code: ReadErrorCode
  reason: ReadReason
  phase: ReadPhase
  /** Whose fault it was. */
  blame: Blame
  /** Status of the error; `undefined` where none can be sent (TLS handshake). */
  statusCode: number | undefined
  /** Whether the answer left this process. */
  answered: boolean
  /** Bytes of this read that arrived: header bytes in the `headers` phase, body bytes (as sent, encoded) in `body`. */
  received: number
  /** Bytes declared by `Content-Length`; `undefined` where nothing was declared. */
  expected: number | undefined
  /**
   * Bytes of the response that the operating system has taken, where one had begun and that is known: over HTTP/2 only where
   * no other stream of the session was open meanwhile. Over TLS those of a response that had to wait are counted encrypted.
   */
  sent: number | undefined
  /** The limit that was passed: milliseconds, bytes or bytes per second, as the limit is. */
  limit: number | undefined
  /** Counted milliseconds: the client's time only. */
  elapsed: number
  /** Milliseconds not counted: the application held back, or the event loop was blocked. */
  paused: number
  /** Counted milliseconds since the last byte; in the `headers` phase since it was seen, up to a second later. */
  idle: number
  /** Bytes per second over counted time. */
  rate: number
  method: string | undefined
  /** As the application's own `req` serializer has it, where its logger has one. */
  url: string | undefined
  /** The route's pattern; `undefined` before routing. */
  route: string | undefined
  reqId: string | undefined
  /** `request.ip`: with `trustProxy` the client behind the proxy; `undefined` before routing. */
  ip: string | undefined
  /** Of the connection. */
  remoteAddress: string | undefined
  remotePort: number | undefined
  protocol: 'http/1.1' | 'h2'
  tls: boolean
  /** True in `mode: 'observe'`: recorded, and not refused. */
  observed: boolean
  /** When the read failed, ISO 8601. */
  time: string
}

/** At which level a record is logged. */
export function levelOf ({ received, phase, blame, observed }: AbortRecord): 'debug' | 'info' | 'warn' {
  // Browsers and load balancers open connections ahead of need: not one byte on them is no failure worth a line.
  if (received === 0 && (phase === 'handshake' || phase === 'headers')) return 'debug'
  return observed || blame === 'client_gone' ? 'info' : 'warn'
}

/** With which message a record is logged. */
export function messageOf ({ observed }: AbortRecord): string {
  return observed ? 'request read would have been aborted' : 'request read aborted'
}

/** Where a read happened: what a record says beside the error itself. */
export type ReadOrigin = Pick<AbortRecord, 'sent' | 'method' | 'url' | 'route' | 'reqId' | 'ip' | 'remoteAddress' | 'remotePort' | 'protocol' | 'tls'>

/** Of a read that failed before there was a request. */
export const unrouted = { sent: undefined, method: undefined, url: undefined, route: undefined, reqId: undefined, ip: undefined } as const

export type Peer = Pick<ReadOrigin, 'remoteAddress' | 'remotePort' | 'protocol' | 'tls'>

/** Whose read it is, for as long as the connection knows. */
export function peerOf (socket: Socket | undefined, protocol: AbortRecord['protocol'] = 'http/1.1'): Peer {
  return { remoteAddress: socket?.remoteAddress, remotePort: socket?.remotePort, protocol, tls: socket !== undefined && 'encrypted' in socket }
}

/**
 * Of a read whose request has a head.
 *
 * @param request where there is one by now
 * @param log the application's
 */
export function requestOrigin (raw: IncomingMessage, request: FastifyRequest | undefined, peer: Peer, log: FastifyBaseLogger): ReadOrigin {
  return {
    ...unrouted,
    method: raw.method,
    url: loggedUrl(request ?? raw, request?.log ?? log),
    route: request?.routeOptions.url,
    reqId: request?.id,
    ip: request === undefined ? undefined : clientAddress(request, peer.remoteAddress),
    ...peer
  }
}

/** The order of its keys is part of the contract: log tools match on it. */
export function abortRecord (error: ReadError, origin: ReadOrigin, outcome: Pick<AbortRecord, 'answered' | 'observed' | 'time'>): AbortRecord {
  const { code, reason, phase, statusCode, received, expected, limit, elapsed, paused, idle, rate } = error
  const { sent, method, url, route, reqId, ip, remoteAddress, remotePort, protocol, tls } = origin
  const { answered, observed, time } = outcome
  return {
    code,
    reason,
    phase,
    blame: blameFor(code),
    statusCode,
    answered,
    received,
    expected,
    sent,
    limit,
    elapsed,
    paused,
    idle,
    rate,
    method,
    url,
    route,
    reqId,
    ip,
    remoteAddress,
    remotePort,
    protocol,
    tls,
    observed,
    time
  }
}
