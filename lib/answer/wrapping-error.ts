import type { ReadError } from '../record/errors.js'

/** What is looked at of an error that is sent. */
interface SentError {
  readonly code?: unknown
  readonly statusCode?: unknown
  readonly status?: unknown
  readonly cause?: unknown
  /** Of an AggregateError. */
  readonly errors?: unknown
}

/** `@fastify/reply-from` names 500 for whatever befalls a body. */
const REPLY_FROM = 'FST_REPLY_FROM_'

/** What Node makes of a stream that was closed without its error; `@fastify/multipart` closed its files so before 10.1.7. */
const PREMATURE_CLOSE = 'ERR_STREAM_PREMATURE_CLOSE'

/** As Fastify tells them, and those of another realm beside: a test runner's, for example. */
function isError (value: unknown): value is SentError {
  return value instanceof Error || Object.prototype.toString.call(value) === '[object Error]'
}

/** Whether the read's error, or the premature close that it made, is what an error goes back to. */
function goesBackTo (sent: SentError, error: ReadError): boolean {
  const found = new Set<unknown>([sent])
  // A set hands out what is added meanwhile, once: chains may be circles.
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

/** Whether an error says by which status it is to be answered; not where it repeats the read's error. */
function namesStatus ({ code, statusCode, status }: SentError, error: ReadError): boolean {
  if (code === error.code || String(code).startsWith(REPLY_FROM)) return false
  return isErrorStatus(statusCode) || isErrorStatus(status)
}

/**
 * Whether what a consumer answers with is an error that it has made of the read's, and that says nothing of its own about
 * the status: `fetch()`, axios, got and proxies wrap what befell the body that they pass on.
 *
 * @param statusCode that of the reply so far: 500 is what Fastify makes of an error that names none, and the read's own is no choice of the consumer's
 */
export function isMadeOf (sent: unknown, error: ReadError, statusCode: number): boolean {
  const isNamed = statusCode >= 400 && statusCode !== 500 && statusCode !== error.statusCode
  if (!isError(sent) || sent === error || isNamed) return false
  return !namesStatus(sent, error) && goesBackTo(sent, error)
}
