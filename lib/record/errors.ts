import createError, { type FastifyErrorConstructor } from '@fastify/error'

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
  /** Those in which it happens. */
  readonly phases: readonly ReadPhase[]
  /** Whether the error names the limit that was passed. */
  readonly limit: 'always' | 'if known' | 'never'
  /** `%s` is the limit; for malformed input, the reason. */
  readonly message: string
}

/** The status of a client that nothing can be sent to any more; `abortStatusCode` replaces it. */
const ABORTED = 499

/** What belongs to a code: the types of errors and records are made from it as well. */
export const errorTable = {
  FST_READ_HANDSHAKE_TIMEOUT: { statusCode: undefined, reason: 'handshake_timeout', blame: 'client_slow', phases: ['handshake'], limit: 'always', message: 'The TLS handshake took longer than %s ms' },
  FST_READ_HEADERS_TIMEOUT: { statusCode: 408, reason: 'headers_timeout', blame: 'client_slow', phases: ['headers'], limit: 'always', message: 'The request headers took longer than %s ms' },
  FST_READ_HEADERS_TOO_SLOW: { statusCode: 408, reason: 'headers_too_slow', blame: 'client_slow', phases: ['headers'], limit: 'always', message: 'The request headers arrived slower than %s bytes per second' },
  FST_READ_HEADERS_TOO_LARGE: { statusCode: 431, reason: 'headers_too_large', blame: 'client_invalid', phases: ['headers', 'body'], limit: 'always', message: 'The request headers exceed the limit of %s' },
  FST_READ_BODY_TIMEOUT: { statusCode: 408, reason: 'body_timeout', blame: 'client_slow', phases: ['body'], limit: 'always', message: 'The request body took longer than %s ms' },
  FST_READ_BODY_IDLE_TIMEOUT: { statusCode: 408, reason: 'body_idle_timeout', blame: 'client_slow', phases: ['body'], limit: 'always', message: 'No byte of the request body arrived for %s ms' },
  FST_READ_BODY_TOO_SLOW: { statusCode: 408, reason: 'body_too_slow', blame: 'client_slow', phases: ['body'], limit: 'always', message: 'The request body arrived slower than %s bytes per second' },
  FST_READ_BODY_TOO_LARGE: { statusCode: 413, reason: 'body_too_large', blame: 'client_invalid', phases: ['body'], limit: 'if known', message: 'The request body is larger than %s bytes' },
  FST_READ_LENGTH_REQUIRED: { statusCode: 411, reason: 'length_required', blame: 'client_invalid', phases: ['body'], limit: 'never', message: 'The request body needs a Content-Length' },
  FST_READ_LENGTH_MISMATCH: { statusCode: 400, reason: 'length_mismatch', blame: 'client_invalid', phases: ['body'], limit: 'never', message: 'The size of the request body does not match its Content-Length' },
  FST_READ_MALFORMED: { statusCode: 400, reason: 'malformed', blame: 'client_invalid', phases: ['handshake', 'headers', 'body'], limit: 'never', message: 'The request is malformed: %s' },
  FST_READ_ABORTED: { statusCode: ABORTED, reason: 'client_aborted', blame: 'client_gone', phases: ['handshake', 'headers', 'body'], limit: 'never', message: 'The client left before the request was read' },
  FST_READ_RESPONSE_IDLE_TIMEOUT: { statusCode: ABORTED, reason: 'response_idle_timeout', blame: 'client_slow', phases: ['handler', 'response'], limit: 'always', message: 'The client took nothing of the response for %s ms' },
  FST_READ_RESPONSE_TOO_SLOW: { statusCode: ABORTED, reason: 'response_too_slow', blame: 'client_slow', phases: ['handler', 'response'], limit: 'always', message: 'The client took the response slower than %s bytes per second' },
  FST_READ_RESPONSE_ABORTED: { statusCode: ABORTED, reason: 'response_aborted', blame: 'client_gone', phases: ['handler', 'response'], limit: 'never', message: 'The client left before it had the response%s' }
} as const satisfies Record<string, ErrorRow>

type ErrorTable = typeof errorTable

/** Identifies the kind of failure. */
export type ReadErrorCode = keyof ErrorTable
/** The same in lower case, for logs and metrics. */
export type ReadReason = ErrorTable[ReadErrorCode]['reason']

export type ReasonOf<Code extends ReadErrorCode> = ErrorTable[Code]['reason']
export type BlameOf<Code extends ReadErrorCode> = ErrorTable[Code]['blame']
export type PhaseOf<Code extends ReadErrorCode> = ErrorTable[Code]['phases'][number]
export type LimitOf<Code extends ReadErrorCode> = { always: number, 'if known': number | undefined, never: undefined }[ErrorTable[Code]['limit']]

/** The statuses that the rule itself names, in place of the table's. */
type OtherStatusCode<Code extends ReadErrorCode> = Code extends 'FST_READ_MALFORMED' ? 501 | 505 : never

/** Before the handshake is over no status can be sent, and that of an abort is `abortStatusCode`. */
export type StatusCodeOf<Code extends ReadErrorCode> = ErrorTable[Code]['statusCode'] extends typeof ABORTED
  ? number
  : ErrorTable[Code]['statusCode'] | OtherStatusCode<Code> | ('handshake' extends PhaseOf<Code> ? undefined : never)

/** `statusCode` as Fastify's errors have it: it may be missing, but is never `undefined`. */
type WithStatusCode<StatusCode> = undefined extends StatusCode
  ? { readonly statusCode?: NonNullable<StatusCode> }
  : { readonly statusCode: NonNullable<StatusCode> }

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

interface ViolationOf<Code extends ReadErrorCode> {
  readonly code: Code
  /** Stands in the message in place of the limit. */
  readonly detail?: string
  readonly statusCode?: OtherStatusCode<Code>
  readonly cause?: unknown
}

/** The limit that was passed: milliseconds, bytes or bytes per second, as the limit is. */
type WithLimit<Limit> = [Limit] extends [undefined] ? { readonly limit?: undefined } : { readonly limit: Limit }

/** A broken rule, as data: error, answer and log are made from it. */
export type Violation = { [Code in ReadErrorCode]: ViolationOf<Code> & WithLimit<LimitOf<Code>> }[ReadErrorCode]

interface ErrorOf<Code extends ReadErrorCode> extends Error, ReadFacts {
  readonly code: Code
  readonly reason: ReasonOf<Code>
  readonly phase: PhaseOf<Code>
  /** The limit that was passed: milliseconds, bytes or bytes per second, as the limit is. */
  readonly limit: LimitOf<Code>
  /** Node's error, if there was one. */
  readonly cause?: unknown
}

/**
 * The error of a read that failed. The consumer of the body, `setErrorHandler` and `onError` get it; the client's answer and
 * the record are made from it. Match on `code`: it tells which `reason`, `phase` and `statusCode` there can be, and whether
 * there is a `limit`.
 */
export type ReadError<Code extends ReadErrorCode = ReadErrorCode> = { [Each in Code]: ErrorOf<Each> & WithStatusCode<StatusCodeOf<Each>> }[Code]

/** An invalid option: its name, with its path and its route, the rule that it breaks, and the value that was given. */
export const OptionsInvalidError: FastifyErrorConstructor<{ code: 'FST_READ_OPTIONS_INVALID', statusCode: 500 }, [option: string, rule: string, got: string]> =
  createError('FST_READ_OPTIONS_INVALID', '%s %s; got %s', 500)

/** Something else has read the body: a mistake of the application, so 500 and no record. */
export const BodyConsumedError: FastifyErrorConstructor<{ code: 'FST_READ_BODY_CONSUMED', statusCode: 500 }> =
  createError('FST_READ_BODY_CONSUMED', 'The request body was already consumed', 500)

/** What the application makes with one of them has no facts: it is the error of no read. */
type ReadErrorConstructors = {
  readonly [Code in ReadErrorCode]: FastifyErrorConstructor<{ code: Code } & WithStatusCode<ErrorTable[Code]['statusCode']>>
}

const codes = Object.keys(errorTable) as ReadErrorCode[] // keys of the table are its key type

function constructorsOf (captureStackTrace: boolean): ReadErrorConstructors {
  return Object.fromEntries(codes.map((code) => [
    code,
    createError(code, errorTable[code].message, errorTable[code].statusCode ?? 0, Error, captureStackTrace)
  ])) as ReadErrorConstructors // Object.fromEntries forgets which value belongs to which key
}

/** The stack of a failed read would show a timer of the guard, and cost more than everything else about it. */
const withoutStack = constructorsOf(false)

/** The constructors of every error of this package, by code. What they make has its code and status, and none of the facts of a read. */
export const errors: ReadErrorConstructors & {
  readonly FST_READ_BODY_CONSUMED: typeof BodyConsumedError
  readonly FST_READ_OPTIONS_INVALID: typeof OptionsInvalidError
} = Object.freeze({
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
  return code !== undefined && Object.hasOwn(errorTable, code) && reason === errorTable[code].reason &&
    typeof phase === 'string' && typeof received === 'number' && typeof elapsed === 'number'
}

export function blameFor<Code extends ReadErrorCode> (code: Code): BlameOf<Code> {
  return errorTable[code].blame
}

function statusCodeOf ({ code, statusCode }: Violation, { phase }: ReadFacts, abortStatusCode: number): number | undefined {
  const usual = errorTable[code].statusCode
  // Nothing can be sent to a client that has gone, or that takes nothing.
  if (usual === ABORTED) return abortStatusCode
  // Before the handshake is over no status can be sent.
  return phase === 'handshake' ? undefined : statusCode ?? usual
}

/** @param abortStatusCode that of a client that nothing can be sent to any more */
export function readError (violation: Violation, facts: ReadFacts, abortStatusCode: number = ABORTED): ReadError {
  const { code, limit, cause } = violation
  const args = errorTable[code].message.includes('%s') ? [violation.detail ?? limit] : []
  const error = new withoutStack[code](...args, ...(cause === undefined ? [] : [{ cause }]))
  // Loggers print the stack: its first line says what happened.
  Object.defineProperty(error, 'stack', { value: `${error.name}: ${error.message}`, writable: true, configurable: true })
  return Object.assign(error, facts, {
    statusCode: statusCodeOf(violation, facts, abortStatusCode),
    reason: errorTable[code].reason,
    limit
  }) as unknown as ReadError // the compiler does not see that these fields belong to one code
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
