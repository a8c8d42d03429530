import type { Socket } from 'node:net'
import { blameFor, type Blame, type ReadError, type ReadPhase, type ReadReason } from './errors.js'

/**
 * What is logged (under the key `abort`), handed to `onAbort` and published on the diagnostics channel
 * `fastify-read-guard.abort`: exactly one for each read that failed. It carries no header value and no body byte.
 */
export interface AbortRecord {
  /** The error's code, `FST_READ_…`. */
  code: string
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
  url: string | undefined
  /** The route's pattern; `undefined` before routing. */
  route: string | undefined
  reqId: string | undefined
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
export function levelOf (record: AbortRecord): 'debug' | 'info' | 'warn' {
  // Browsers and load balancers open connections ahead of need: not one byte is no failure worth a line.
  if (record.received === 0 && record.phase !== 'body') return 'debug'
  return record.blame === 'client_gone' ? 'info' : 'warn'
}

/** Where a read happened: what a record says beside the error itself. */
export type ReadOrigin = Pick<AbortRecord, 'method' | 'url' | 'route' | 'reqId' | 'remoteAddress' | 'remotePort' | 'protocol' | 'tls'>

/** Of a read that failed before there was a request. */
export const unrouted = { method: undefined, url: undefined, route: undefined, reqId: undefined } as const

export type Peer = Pick<ReadOrigin, 'remoteAddress' | 'remotePort' | 'protocol' | 'tls'>

/** Whose read it is, for as long as the connection knows. */
export function peerOf (socket: Socket | undefined, protocol: AbortRecord['protocol'] = 'http/1.1'): Peer {
  return { remoteAddress: socket?.remoteAddress, remotePort: socket?.remotePort, protocol, tls: socket !== undefined && 'encrypted' in socket }
}

export function abortRecord (error: ReadError, origin: ReadOrigin, outcome: Pick<AbortRecord, 'answered' | 'observed' | 'time'>): AbortRecord {
  const { code, reason, phase, statusCode, received, expected, limit, elapsed, paused, idle, rate } = error
  return {
    code,
    reason,
    phase,
    blame: blameFor(code),
    statusCode,
    answered: outcome.answered,
    received,
    expected,
    limit,
    elapsed,
    paused,
    idle,
    rate,
    ...origin,
    observed: outcome.observed,
    time: outcome.time
  }
}
