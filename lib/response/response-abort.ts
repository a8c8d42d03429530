import type { ServerResponse } from 'node:http'
import { releaseLateStreams, takeOverReply } from '../answer/reply-takeover.js'
import type { GuardContext } from '../guard.js'
import type { RoutePolicy } from '../limits/resolve.js'
import { abortSignal, tellFramework } from '../node/fastify.js'
import { replyOf } from '../node/fastify-replies.js'
import { declaredLength, hasBegun, isEventStream } from '../node/response-internals.js'
import { pinStatus } from '../node/response-hooks.js'
import { requestOrigin, type Peer } from '../record/abort-record.js'
import type { ReadError, ReadFacts, Violation } from '../record/errors.js'
import { failExchange, failureOf, inContextOf } from './exchange.js'

/** The body of the request that a response answers. */
export interface RequestBody {
  readonly received: number
  readonly expected: number | undefined
  /** Whether it is still being read: then its read reports a client that leaves. */
  readonly isUnderWay: boolean
  /** Runs `act` in the request's own async context. */
  inContext (act: () => void): void
}

/** A response that its client does not have yet. */
export interface OwedResponse {
  readonly guard: GuardContext
  readonly response: ServerResponse
  readonly peer: Peer
  readonly body: RequestBody | undefined
  /** The limits of its route; `false` if it is not guarded. */
  readonly policy: RoutePolicy | false
  /** Bytes of it that the operating system has taken, if it has begun and this is known. */
  readonly sent: number | undefined
  /** How long its client took over it, if any of it ever had to wait. */
  readonly timing: Pick<ReadFacts, 'elapsed' | 'paused' | 'idle' | 'rate'> | undefined
}

/** If nothing of a response was sent, its `statusCode` is from now on the status with which the exchange ended. */
export function tellStatus (response: ServerResponse, { statusCode }: ReadError): void {
  if (!hasBegun(response) && statusCode !== undefined) pinStatus(response, statusCode)
}

const NO_TIME = { elapsed: 0, paused: 0, idle: 0, rate: 0 }

function factsOf ({ response, body, timing }: OwedResponse): ReadFacts {
  const { received, expected } = body ?? { received: 0, expected: undefined }
  if (hasBegun(response)) return { phase: 'response', received, expected, ...(timing ?? NO_TIME) }
  const elapsed = Math.round(replyOf(response.req)?.elapsedTime ?? 0)
  return { phase: 'handler', received, expected, ...NO_TIME, elapsed, idle: elapsed }
}

/** How much of the response has been taken, as far as is known. */
function shareTaken ({ response, sent }: OwedResponse): string {
  const declared = declaredLength(response)
  if (sent === undefined || declared === undefined) return ''
  return `: ${sent} bytes were taken, of a body of ${declared} and its head`
}

/** The end of a connection, or of a limit, is noticed outside of any request's async context. */
function inOwnContext ({ body, response }: OwedResponse, act: () => void): void {
  if (body === undefined) inContextOf(response.req, act)
  else body.inContext(act)
}

/** Tells the application that the client will not have the response. */
function tellApplication (response: ServerResponse): void {
  const reply = replyOf(response.req)
  if (reply !== undefined) abortSignal(reply.request)
  tellFramework(response)
}

/** Ends an exchange whose response won't reach its client: writes the one record, aborts the signal, tells the framework. */
export function failResponse (owed: OwedResponse, violation: Violation): void {
  inOwnContext(owed, () => fail(owed, violation))
}

function fail (owed: OwedResponse, violation: Violation): void {
  const { guard, response, peer, sent } = owed
  const { req: raw } = response
  const reply = replyOf(raw)
  const origin = requestOrigin(raw, reply?.request, peer, guard.journal.log, sent)
  const failed = guard.recorder.fail(violation, factsOf(owed), origin, reply)
  tellStatus(response, failed.error)
  if (reply !== undefined) {
    // Half a response can't be taken back: what the handler would send in its place is dropped.
    if (response.headersSent) takeOverReply(reply, failed.error).drop()
    else releaseLateStreams(reply, failed.error)
  }
  failExchange(raw, failed.error)
  failed.write(false)
  tellApplication(response)
}

/** Like `failResponse()`, for `mode: 'observe'`: the exchange goes on. */
export function observeResponse (owed: OwedResponse, violation: Violation): void {
  const { guard, response, peer, sent } = owed
  const reply = replyOf(response.req)
  const origin = requestOrigin(response.req, reply?.request, peer, guard.journal.log, sent)
  inOwnContext(owed, () => guard.recorder.observe(violation, factsOf(owed), origin, reply))
}

/**
 * The client left before it had its response.
 *
 * @param cause what Node said, if it did
 * @param isRecorded whether another record already says why the connection ended
 */
export function onClientGone (owed: OwedResponse, cause: unknown, { isRecorded } = { isRecorded: false }): void {
  inOwnContext(owed, () => end(owed, cause, isRecorded))
}

function end (owed: OwedResponse, cause: unknown, isRecorded: boolean): void {
  const { guard, response, policy, body } = owed
  const { req: raw } = response
  if (failureOf(raw) !== undefined) return tellApplication(response)
  // A request that never reached the application is not judged. While a body is still being read, its read reports the client.
  if (replyOf(raw) === undefined || body?.isUnderWay === true) return
  const violation: Violation = { code: 'FST_READ_RESPONSE_ABORTED', cause: cause ?? undefined, detail: shareTaken(owed) }
  // An event stream never ends by itself: a client that leaves has had all it wanted.
  if (policy === false || isRecorded || isEventStream(response)) {
    const error = guard.recorder.error(violation, factsOf(owed))
    tellStatus(response, error)
    failExchange(raw, error)
    tellApplication(response)
  } else {
    fail(owed, violation)
  }
}
