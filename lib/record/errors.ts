import createError, { type FastifyError, type FastifyErrorConstructor } from '@fastify/error'

/**
 * The part of an exchange in which it failed. In `handshake`, `headers` and `body` the server reads from the client, in
 * `response` the client from the server; in `handler` it waits for the application.
 */
export type ReadPhase = 'handshake' | 'headers' | 'body' | 'handler' | 'response'

/** Why a read failed, as far as the client is concerned: it was too slow, it left, or it sent something invalid. */
export type Blame = 'client_slow' | 'client_gone' | 'client_invalid'

interface ErrorRow {
  readonly statusCode: number | undefined
  readonly reason: string
  readonly blame: Blame
  /** `%s` is the limit; for malformed input, the reason. */
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
  FST_READ_ABORTED: { statusCode: 499, reason: 'client_aborted', blame: 'client_gone', message: 'The client left before the request was read' },
  FST_READ_RESPONSE_IDLE_TIMEOUT: { statusCode: 499, reason: 'response_idle_timeout', blame: 'client_slow', message: 'The client took nothing of the response for %s ms' },
  FST_READ_RESPONSE_TOO_SLOW: { statusCode: 499, reason: 'response_too_slow', blame: 'client_slow', message: 'The client took the response slower than %s bytes per second' },
  FST_READ_RESPONSE_ABORTED: { statusCode: 499, reason: 'response_aborted', blame: 'client_gone', message: 'The client left before it had the response%s' }
} as const satisfies Record<string, ErrorRow>

/** Identifies the kind of failure. */
export type ReadErrorCode = keyof typeof table
/** The same in lower case, for logs and metrics. */
export type ReadReason = (typeof table)[ReadErrorCode]['reason']

/** The facts about a read when it failed; see `AbortRecord` for the units. */
export interface ReadFacts {
  readonly phase: ReadPhase
  readonly received: number
  readonly expected: number | undefined
  readonly elapsed: number
  readonly paused: number
  readonly idle: number
  readonly rate: number
}

/** A broken rule, as data: error, answer and log are made from it. */
export interface Violation {
  readonly code: ReadErrorCode
  /** The limit that was passed: milliseconds, bytes or bytes per second, as the limit is. */
  readonly limit?: number | undefined
  /** Stands in the message in place of the limit. */
  readonly detail?: string
  /** A status other than the table's. */
  readonly statusCode?: number
  readonly cause?: unknown
}

/**
 * The error of a read that failed. The consumer of the body, `setErrorHandler` and `onError` get it; the client's answer and
 * the record are made from it. Match on `code`.
 */
export interface ReadError extends FastifyError, ReadFacts {
  readonly code: ReadErrorCode
  readonly reason: ReadReason
  readonly limit: number | undefined
  /** Node's error, if there was one. */
  readonly cause?: unknown
}

/** An invalid option: its name, with its path and its route, the rule that it breaks, and the value that was given. */
export const OptionsInvalidError = createError<'FST_READ_OPTIONS_INVALID', 500, [option: string, rule: string, got: string]>(
  'FST_READ_OPTIONS_INVALID', '%s %s; got %s', 500
)

/** Something else has read the body: a mistake of the application, so 500 and no record. */
export const BodyConsumedError = createError('FST_READ_BODY_CONSUMED', 'The request body was already consumed', 500)

const codes = Object.keys(table) as ReadErrorCode[]

function constructorsOf (captureStackTrace: boolean): Record<ReadErrorCode, FastifyErrorConstructor> {
  return Object.fromEntries(codes.map((code) => [
    code,
    createError(code, table[code].message, table[code].statusCode ?? 0, Error, captureStackTrace)
  ])) as Record<ReadErrorCode, FastifyErrorConstructor>
}

/** The stack of a failed read would show a timer of the guard, and cost more than everything else about it. */
const withoutStack = constructorsOf(false)

/** The constructors of every error of this package, by code. */
export const errors: Readonly<Record<ReadErrorCode | 'FST_READ_BODY_CONSUMED' | 'FST_READ_OPTIONS_INVALID', FastifyErrorConstructor>> = Object.freeze({
  ...constructorsOf(true),
  FST_READ_BODY_CONSUMED: BodyConsumedError,
  FST_READ_OPTIONS_INVALID: OptionsInvalidError
})

/**
 * Tells the error of a failed read from any other value. It looks at code and fields rather than at the class, because two
 * copies of this package may be installed; an error that the application has made with one of the `errors` has no such fields.
 */
export function isReadError (error: unknown): error is ReadError {
  // Errors made by @fastify/error fail `util.types.isNativeError()`, and those of another realm fail `instanceof`.
  if (typeof error !== 'object' || error === null || Object.prototype.toString.call(error) !== '[object Error]') return false
  const { code, reason, phase, received, elapsed } = error as Partial<ReadError>
  return code !== undefined && Object.hasOwn(table, code) && reason === table[code].reason &&
    typeof phase === 'string' && typeof received === 'number' && typeof elapsed === 'number'
}

export function blameFor (code: ReadErrorCode): Blame {
  return table[code].blame
}

export function readError (violation: Violation, facts: ReadFacts): ReadError {
  const { code, limit, cause } = violation
  const args = table[code].message.includes('%s') ? [violation.detail ?? limit] : []
  const error = new withoutStack[code](...args, ...(cause === undefined ? [] : [{ cause }]))
  // Loggers print the stack: its first line says what happened.
  Object.defineProperty(error, 'stack', { value: `${error.name}: ${error.message}`, writable: true, configurable: true })
  return Object.assign(error, facts, {
    statusCode: violation.statusCode ?? table[code].statusCode,
    reason: table[code].reason,
    limit
  }) as unknown as ReadError // Object.assign loses that `code` is one of the table's
}

/** The client has left before its request was read. */
export function clientGone (cause?: unknown): Violation {
  return { code: 'FST_READ_ABORTED', cause: cause ?? undefined }
}

/** The clock of a read; times in counted milliseconds. */
interface Timing {
  elapsed (now: number): number
  paused (now: number, lost: number): number
  idle (now: number): number
}

/** The clock that reads are counted by. */
interface CountedClock {
  now (): number
  /** Milliseconds that were not counted, up to the last `now()`. */
  readonly lost: number
}

/** The facts, rounded so that records are comparable: times to the millisecond, the rate to a hundredth of a byte. */
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

/** The facts about a read that took no time: it came whole, or was refused before a byte was read. */
export function untimedFacts (phase: ReadPhase, expected: number | undefined, received: number): ReadFacts {
  return { phase, received, expected, elapsed: 0, paused: 0, idle: 0, rate: 0 }
}
