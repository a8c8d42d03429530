import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import { clientAddress, loggedUrl } from '../node/fastify.js'
import { blameFor, type BlameOf, type LimitOf, type PhaseOf, type ReadError, type ReadErrorCode, type ReasonOf, type StatusCodeOf } from './errors.js'

interface RecordOf<Code extends ReadErrorCode> {
  code: Code
  reason: ReasonOf<Code>
  phase: PhaseOf<Code>
  /** Whether the client was slow, had gone, or sent something invalid. */
  blame: BlameOf<Code>
  /** Status of the error; `undefined` if none can be sent (TLS handshake). */
  statusCode: StatusCodeOf<Code>
  /** Whether the answer left this process. */
  answered: boolean
  /** Bytes of this read that arrived: header bytes in the `headers` phase, body bytes (as sent, encoded) in `body`. */
  received: number
  /** Bytes declared by `Content-Length`; `undefined` if nothing was declared. */
  expected: number | undefined
  /**
   * Bytes of the response that the operating system has taken; `undefined` if no response had begun, or if that isn't known:
   * over HTTP/2 it is known only if no other stream of the session was open meanwhile. Over TLS, a response that had to wait
   * is counted encrypted.
   */
  sent: number | undefined
  /** The limit that was passed: milliseconds, bytes or bytes per second, as the limit is. */
  limit: LimitOf<Code>
  /** Counted milliseconds: the client's time only. */
  elapsed: number
  /** Milliseconds that were not counted: the application wasn't reading, or the event loop was blocked. */
  paused: number
  /** Counted milliseconds since the last byte; in the `headers` phase since it was noticed, up to a second later. */
  idle: number
  /** Bytes per second over counted time. */
  rate: number
  method: string | undefined
  /** As the `req` serializer of the application's logger writes it, if there is one. */
  url: string | undefined
  /** The route's pattern; `undefined` before routing. */
  route: string | undefined
  reqId: string | undefined
  /** `request.ip`: with `trustProxy` the client behind the proxy; `undefined` before routing. */
  ip: string | undefined
  /** The address of the connection. */
  remoteAddress: string | undefined
  remotePort: number | undefined
  protocol: 'http/1.1' | 'h2'
  tls: boolean
  /** True in `mode: 'observe'`: recorded, not refused. */
  observed: boolean
  /** When the read failed, ISO 8601. */
  time: string
}

/**
 * Exactly one for each failed read: logged under the key `abort`, handed to `onAbort`, and published on the diagnostics channel
 * `fastify-read-guard.abort`. It contains no header value and no byte of a body. Its `code` tells which `reason`, `blame`,
 * `phase` and `statusCode` there can be, and whether there is a `limit`.
 */
export type AbortRecord<Code extends ReadErrorCode = ReadErrorCode> = { [Each in Code]: RecordOf<Each> }[Code]

/** The level that a record is logged at. */
export function levelOf ({ received, phase, blame, observed }: AbortRecord): 'debug' | 'info' | 'warn' {
  // Browsers and load balancers open connections ahead of need: if no byte ever arrives, that isn't worth a line.
  if (received === 0 && (phase === 'handshake' || phase === 'headers')) return 'debug'
  return observed || blame === 'client_gone' ? 'info' : 'warn'
}

/** The message that a record is logged with. */
export function messageOf ({ observed }: AbortRecord): string {
  return observed ? 'request read would have been aborted' : 'request read aborted'
}

/** Where a read happened: the fields of a record that the error does not have. */
export type ReadOrigin = Pick<AbortRecord, 'sent' | 'method' | 'url' | 'route' | 'reqId' | 'ip' | 'remoteAddress' | 'remotePort' | 'protocol' | 'tls'>

/** The origin of a read that failed before there was a request. */
export const unrouted = { sent: undefined, method: undefined, url: undefined, route: undefined, reqId: undefined, ip: undefined } as const

export type Peer = Pick<ReadOrigin, 'remoteAddress' | 'remotePort' | 'protocol' | 'tls'>

/** The client of a read, for as long as the connection knows it. */
export function peerOf (socket: Socket | undefined, protocol: AbortRecord['protocol'] = 'http/1.1'): Peer {
  return { remoteAddress: socket?.remoteAddress, remotePort: socket?.remotePort, protocol, tls: socket !== undefined && 'encrypted' in socket }
}

/**
 * The origin of a read whose headers are complete. It is written out: spreading objects would take a tenth of what a verdict costs.
 *
 * @param request Fastify's, if it has been made already
 * @param log the application's
 * @param sent see `AbortRecord`
 */
export function requestOrigin (raw: IncomingMessage, request: FastifyRequest | undefined, peer: Peer, log: FastifyBaseLogger, sent?: number): ReadOrigin {
  const { remoteAddress, remotePort, protocol, tls } = peer
  return {
    sent,
    method: raw.method,
    url: loggedUrl(request ?? raw, request?.log ?? log),
    route: request?.routeOptions.url,
    reqId: request?.id,
    ip: request === undefined ? undefined : clientAddress(request, remoteAddress),
    remoteAddress,
    remotePort,
    protocol,
    tls
  }
}

/** Makes a record. The order of its keys is part of the contract: log tools match on it. */
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
  } as AbortRecord // the compiler does not see that these fields belong to one code
}
