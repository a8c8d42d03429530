import type { AbortRecord } from '../../record/abort-record.js'
import { plainText } from './plain-text.js'
import { networkOf, withoutMapping } from './network.js'
import { blames, phases, reasonOf, reasonTable, type ReportedPhase, type ReportedReason } from '../reasons.js'

/** Stands for the route of a read that failed before routing. No pattern looks like it: those start with `/` or `*`. */
const notRouted = '(not routed)'

/** The part of an abort record that the report uses. Its texts are safe to print, its numbers safe to add up. */
export interface LoggedAbort extends Pick<AbortRecord, 'blame' | 'received' | 'expected' | 'sent' | 'limit' | 'elapsed' | 'idle' | 'rate' | 'observed'> {
  readonly reason: ReportedReason
  readonly phase: ReportedPhase
  readonly route: string
  readonly method: string | undefined
  /** Whether there was a request: the log has no other line about a read that failed in its headers. */
  readonly hasRequest: boolean
  readonly isRouted: boolean
  readonly client: string
  /** The /64 of an IPv6 address, which one subscriber has; any other client is its own network. */
  readonly network: string
  /** Milliseconds since the epoch; `undefined` if the line has no time. */
  readonly time: number | undefined
}

export type JsonObject = Readonly<Record<string, unknown>>

export function isJsonObject (value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Recognises a record by its shape, so that the logger's `nestedKey`, `messageKey` and `base` do not matter. */
export function looksLikeAbort (value: unknown): value is JsonObject {
  return isJsonObject(value) &&
    typeof value['code'] === 'string' && value['code'].startsWith('FST_READ_') &&
    typeof value['reason'] === 'string' && typeof value['phase'] === 'string'
}

export function loggedAbort (record: JsonObject, lineTime: number | undefined): LoggedAbort {
  const reason = reasonOf(record['reason'])
  const client = clientOf(record)
  return {
    reason,
    phase: phases.find(phase => phase === record['phase']) ?? 'unknown',
    blame: blames.find(blame => blame === record['blame']) ?? reasonTable[reason].blame,
    route: typeof record['route'] === 'string' ? plainText(record['route'], 256) : notRouted,
    method: typeof record['method'] === 'string' ? plainText(record['method'], 32) : undefined,
    isRouted: typeof record['route'] === 'string',
    hasRequest: typeof record['route'] === 'string' || record['reqId'] !== undefined,
    client,
    network: networkOf(client),
    received: amount(record['received']) ?? 0,
    expected: amount(record['expected']),
    sent: amount(record['sent']),
    limit: amount(record['limit']),
    elapsed: amount(record['elapsed']) ?? 0,
    idle: amount(record['idle']) ?? 0,
    rate: amount(record['rate']) ?? 0,
    observed: record['observed'] === true,
    time: timeOf(record['time']) ?? lineTime
  }
}

/** Prefers `ip`, which is the client behind a proxy. Records of earlier versions, and of reads without a request, have only the connection's address. */
function clientOf ({ ip, remoteAddress }: JsonObject): string {
  const address = typeof ip === 'string' ? ip : remoteAddress
  return typeof address === 'string' ? plainText(withoutMapping(address), 64) : '(unknown)'
}

/** Takes ISO 8601, and numbers as pino writes them: milliseconds, or seconds with `unixTime`. */
export function timeOf (value: unknown): number | undefined {
  const time = typeof value === 'string' ? Date.parse(value) : typeof value === 'number' ? value : NaN
  if (!(time > 0)) return undefined
  const ms = typeof value === 'number' && time < 1e11 ? time * 1000 : time
  return ms <= 8.64e15 ? ms : undefined // a Date holds no more
}

/** No larger number of bytes or milliseconds was ever read, and sums of such numbers would not be exact. */
const largest = 1e15

function amount (value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= largest ? value : undefined
}
