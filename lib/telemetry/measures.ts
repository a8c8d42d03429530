import type { AbortRecord } from '../record/abort-record.js'
import type { ReadGuardStats } from '../stats.js'

/*
 * What is measured of a read that failed, whatever the names it goes by.
 */

/** Upper bounds of durations, in seconds: each usual limit (10, 20, 30, 60, 120 s) has one a little above it, as a verdict may come late. */
export const DURATION_BOUNDS: readonly number[] = Object.freeze([0.01, 0.1, 0.5, 1, 2.5, 5, 11, 21, 31, 61, 121, 300, 900])

/** Upper bounds of sizes, in bytes: reads of which nothing came stand alone. */
export const SIZE_BOUNDS: readonly number[] = Object.freeze([0, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000])

/** What `stats().reading` tells apart. */
export const READING_PHASES = Object.freeze(['handshake', 'headers', 'body', 'response', 'lingering']) satisfies ReadonlyArray<keyof ReadGuardStats['reading']>

/** The client's time, in seconds. */
export function durationOf ({ elapsed }: AbortRecord): number {
  return elapsed / 1_000
}

/**
 * How far the read got, in bytes: of the response in that phase (`undefined` where it is not known), in all others of what the
 * client sent.
 */
export function sizeOf ({ phase, received, sent }: AbortRecord): number | undefined {
  return phase === 'response' ? sent : received
}

/** What stands for a method that is not known: clients can make up any number of them. */
const OTHER_METHOD = '_OTHER'

/**
 * The methods of RFC 9110, PATCH (RFC 5789) and QUERY (draft-ietf-httpbis-safe-method-w-body): those that OpenTelemetry's
 * semantic conventions 1.44 hold for known.
 */
export const KNOWN_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'QUERY'])

/** The method of a request, or what stands for it. */
export function boundedMethod (method: string, known: ReadonlySet<string> = KNOWN_METHODS): string {
  return known.has(method) ? method : OTHER_METHOD
}
