import type { ReadError } from '../record/errors.js'

/** The fields of a sent error that matter here. */
interface SentError {
  readonly code?: unknown
  readonly statusCode?: unknown
  readonly status?: unknown
  readonly cause?: unknown
  /** The members of an AggregateError. */
  readonly errors?: unknown
}

/** `@fastify/reply-from` sets the status 500 for every failure of a body. */
const REPLY_FROM = 'FST_REPLY_FROM_'

/** Node's error for a stream that was closed without one; `@fastify/multipart` before 10.1.7 closed its files that way. */
const PREMATURE_CLOSE = 'ERR_STREAM_PREMATURE_CLOSE'

/** Recognizes errors as Fastify does, and also those of another realm, e.g. a test runner's. */
function isError (value: unknown): value is SentError {
  return value instanceof Error || Object.prototype.toString.call(value) === '[object Error]'
}

/** Whether the read's error, or the premature close that it caused, is among the causes of an error. */
function goesBackTo (sent: SentError, error: ReadError): boolean {
  const found = new Set<unknown>([sent])
  // Iterating over a set includes members that are added meanwhile, each once: chains of causes may be circular.
  for (const link of found) {
    if (link === error) return true
    if (!isError(link)) continue
    if (link.code === PREMATURE_CLOSE) return true
    found.add(link.cause)
    if (Array.isArray(link.errors)) for (const member of link.errors) found.add(member)
  }
  return false
}

function isErrorStatus (status: unknown): boolean {
  return typeof status === 'number' && status >= 400 && status <= 599
}

/** Whether an error names the status of its answer. Repeating the read's error does not count. */
function namesStatus ({ code, statusCode, status }: SentError, error: ReadError): boolean {
  if (code === error.code || String(code).startsWith(REPLY_FROM)) return false
  return isErrorStatus(statusCode) || isErrorStatus(status)
}

/**
 * Whether an answer is an error that a consumer has made from the read's, without choosing a status: `fetch()`, axios, got and
 * proxies wrap the error of the body that they pass on.
 *
 * @param statusCode the reply's so far. 500 (Fastify's for an error without a status) and the read's own are not the consumer's choice
 */
export function isMadeOf (sent: unknown, error: ReadError, statusCode: number): boolean {
  const isNamed = statusCode >= 400 && statusCode !== 500 && statusCode !== error.statusCode
  if (!isError(sent) || sent === error || isNamed) return false
  return !namesStatus(sent, error) && goesBackTo(sent, error)
}
