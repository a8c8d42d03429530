import createError, { type FastifyError, type FastifyErrorConstructor } from '@fastify/error'

/** The part of a request that is being read. */
export type ReadPhase = 'handshake' | 'headers' | 'body'

export type Blame = 'client_slow' | 'client_gone' | 'client_invalid'

interface ErrorRow {
  readonly statusCode: number | undefined
  readonly reason: string
  readonly blame: Blame
  /** `%s` is the limit, or for malformed input what was wrong with it. */
  readonly message: string
}

const table = {
  FST_READ_HANDSHAKE_TIMEOUT: { statusCode: undefined, reason: 'handshake_timeout', blame: 'client_slow', message: 'The TLS handshake took longer than %s ms' },
  FST_READ_HEADERS_TIMEOUT: { statusCode: 408, reason: 'headers_timeout', blame: 'client_slow', message: 'The request headers took longer than %s ms' },
  FST_READ_HEADERS_TOO_SLOW: { statusCode: 408, reason: 'headers_too_slow', blame: 'client_slow', message: 'The request headers arrived slower than %s bytes per second' },
  FST_READ_HEADERS_TOO_LARGE: { statusCode: 431, reason: 'headers_too_large', blame: 'client_invalid', message: 'The request headers exceed the limit of %s' },
  FST_READ_BODY_TIMEOUT: { statusCode: 408, reason: 'body_timeout', blame: 'client_slow', message: 'The request body took longer than %s ms' },
  FST_READ_BODY_IDLE_TIMEOUT: { statusCode: 408, reason: 'body_idle_timeout', blame: 'client_slow', message: 'No byte of the request body arrived for %s ms' },
  FST_READ_BODY_TOO_SLOW: { statusCode: 408, reason: 'body_too_slow', blame: 'client_slow', message: 'The request body arrived slower than %s bytes per second' },
  FST_READ_BODY_TOO_LARGE: { statusCode: 413, reason: 'body_too_large', blame: 'client_invalid', message: 'The request body is larger than %s bytes' },
  FST_READ_LENGTH_REQUIRED: { statusCode: 411, reason: 'length_required', blame: 'client_invalid', message: 'The request body needs a Content-Length' },
  FST_READ_LENGTH_MISMATCH: { statusCode: 400, reason: 'length_mismatch', blame: 'client_invalid', message: 'The size of the request body does not match its Content-Length' },
  FST_READ_MALFORMED: { statusCode: 400, reason: 'malformed', blame: 'client_invalid', message: 'The request is malformed: %s' },
  FST_READ_ABORTED: { statusCode: 499, reason: 'client_aborted', blame: 'client_gone', message: 'The client left before the request was read' }
} as const satisfies Record<string, ErrorRow>

export type ReadErrorCode = keyof typeof table
export type ReadReason = (typeof table)[ReadErrorCode]['reason']

/** What was known about a read when it failed; see `AbortRecord` for the units. */
export interface ReadFacts {
  readonly phase: ReadPhase
  readonly received: number
  readonly expected: number | undefined
  readonly elapsed: number
  readonly paused: number
  readonly idle: number
  readonly rate: number
}

/** A broken rule, as data: error, answer, log and test are made from it. */
export interface Violation {
  readonly code: ReadErrorCode
  /** The limit that was passed: milliseconds, bytes or bytes per second, as the limit is. */
  readonly limit?: number | undefined
  /** What the message says instead of the limit. */
  readonly detail?: string
  /** Status other than the table's. */
  readonly statusCode?: number
  readonly cause?: unknown
}

/**
 * The error of a read that failed: what the consumer of the body, `setErrorHandler`, `onError`, the log and the
 * diagnostics channel get, and the client's answer is made from. Match on `code`.
 */
export interface ReadError extends FastifyError, ReadFacts {
  readonly code: ReadErrorCode
  readonly reason: ReadReason
  readonly limit: number | undefined
  /** What Node said, where Node said something. */
  readonly cause?: unknown
}

/** What is wrong with an option: its name, with the path and the route it stands in, the rule it breaks, what was given. */
export const OptionsInvalidError = createError<'FST_READ_OPTIONS_INVALID', 500, [option: string, rule: string, got: string]>(
  'FST_READ_OPTIONS_INVALID', '%s %s; got %s', 500
)

/** After something else read the body: the caller's mistake, so 500 and no record. */
export const BodyConsumedError = createError('FST_READ_BODY_CONSUMED', 'The request body was already consumed', 500)

const constructors = Object.fromEntries(
  Object.entries(table).map(([code, row]) => [code, createError(code, row.message, row.statusCode ?? 0)])
) as Record<ReadErrorCode, FastifyErrorConstructor>

/** The constructors of every error of this package, by code. */
export const errors: Readonly<Record<ReadErrorCode | 'FST_READ_BODY_CONSUMED' | 'FST_READ_OPTIONS_INVALID', FastifyErrorConstructor>> = Object.freeze({
  ...constructors,
  FST_READ_BODY_CONSUMED: BodyConsumedError,
  FST_READ_OPTIONS_INVALID: OptionsInvalidError
})

export function blameFor (code: ReadErrorCode): Blame {
  return table[code].blame
}

export function readError (violation: Violation, facts: ReadFacts): ReadError {
  const { code, limit, cause } = violation
  const args = table[code].message.includes('%s') ? [violation.detail ?? limit] : []
  const error = new constructors[code](...args, ...(cause === undefined ? [] : [{ cause }]))
  return Object.assign(error, facts, {
    statusCode: violation.statusCode ?? table[code].statusCode,
    reason: table[code].reason,
    limit
  }) as unknown as ReadError // Object.assign loses that `code` is one of the table's
}

/** A client that has gone before its request was read. */
export function clientGone (cause?: unknown): Violation {
  return { code: 'FST_READ_ABORTED', cause: cause ?? undefined }
}

/** The clock of a read; times in counted milliseconds. */
interface Timing {
  elapsed (now: number): number
  paused (now: number, lost: number): number
  idle (now: number): number
}

/** The time by which reads are counted. */
interface CountedClock {
  now (): number
  /** Milliseconds that were not counted, as of the last `now()`. */
  readonly lost: number
}

/** Rounded, so that records are comparable: times to the millisecond, the rate to a hundredth of a byte. */
export function readFacts (phase: ReadPhase, expected: number | undefined, received: number, timing: Timing, clock: CountedClock): ReadFacts {
  const now = clock.now()
  const elapsed = timing.elapsed(now)
  return {
    phase,
    received,
    expected,
    elapsed: Math.round(elapsed),
    paused: Math.round(timing.paused(now, clock.lost)),
    idle: Math.round(timing.idle(now)),
    rate: elapsed >= 1 ? Math.round(received / elapsed * 100_000) / 100 : 0
  }
}

/** Of a read that took no time: it came whole, or was refused before a byte was read. */
export function untimedFacts (phase: ReadPhase, expected: number | undefined, received: number): ReadFacts {
  return { phase, received, expected, elapsed: 0, paused: 0, idle: 0, rate: 0 }
}
