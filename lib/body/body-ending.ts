import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import { sendError } from '../answer/error-body.js'
import { onExchangeEnd } from '../answer/exchange-end.js'
import { answerAfterGrace, takeOverReply } from '../answer/reply-takeover.js'
import type { RoutePolicy } from '../limits/resolve.js'
import { endRequest, failRequest, isTold, type GuardedRequest } from '../node/request-hooks.js'
import { hasConsumer, isBeingRead } from '../node/request-kind.js'
import type { FailedRead } from '../record/recorder.js'
import { tellStatus } from '../response/response-abort.js'
import type { BodySource } from './body-source.js'

/** A body whose read failed, as seen by what ends it. */
export interface FailedBody {
  readonly source: BodySource
  readonly raw: GuardedRequest
  /** That of an upgrade request changes when it is routed. */
  readonly response: ServerResponse
  readonly reply: FastifyReply | undefined
  readonly policy: RoutePolicy
  /** Does something in the request's own context: what tells of the end of an exchange is called in any. */
  inContext (act: () => void): void
  /** The answer was given without the rest of the body. */
  abandon (facts?: { readonly isAnswerOut: boolean }): void
}

/** A reply that its owner has taken out of Fastify's hands (`reply.hijack()`). */
export function isHijacked (reply: FastifyReply | undefined): boolean {
  return reply?.sent === true && !reply.raw.writableEnded
}

/** Records once the exchange is over, when it is known whether the answer left. */
function recordAtEnd (body: FailedBody, failed: FailedRead, isAnswerOurs: () => boolean): void {
  const { source, response } = body
  onExchangeEnd(source.endOf(response), source.socket, () => {
    body.inContext(() => failed.write(source.isAnswerOut(response) && isAnswerOurs()))
    body.abandon()
  })
  source.prepareAnswer(response, body.policy.limits.linger)
}

function announceClose ({ response, source }: FailedBody): void {
  if (!response.headersSent) source.announceClose(response)
}

/**
 * Ends a body that is refused: the framework gives the answer, from our error or from one of its own. The request does not
 * stay half way: for a consumer that reads already it has failed, and for one that begins to it is at its end.
 */
export function refuseBody (body: FailedBody, failed: FailedRead): void {
  const { raw, response } = body
  announceClose(body)
  recordAtEnd(body, failed, () => true)
  if (hasConsumer(raw)) failRequest(raw, failed.error)
  else endRequest(raw, response)
}

/** Fails the consumer, and sees to it that the client gets an answer: the application's, or after a grace our own. */
function failAndAnswer (body: FailedBody, failed: FailedRead): void {
  const { raw, reply, response, source } = body
  const { error } = failed
  const hijacked = isHijacked(reply)
  const takeover = reply === undefined ? undefined : takeOverReply(reply, error)
  // Half an answer that its owner has begun is the owner's to end, in as much time as any other may take.
  const isBegun = response.headersSent
  const isDeaf = isBeingRead(raw) && raw.listenerCount('error') === 0
  answerAfterGrace({
    isDeaf: isDeaf && !isBegun,
    end: source.endOf(response),
    // Whoever routes the request since then has made another response.
    hasAnswer: () => isBegun ? response.writableEnded : body.response.headersSent,
    isHeldUp: () => isBegun || (!hijacked && !source.isTaken() && (takeover?.hasBegun === true || (!isDeaf && takeover?.isHeldUp === true))),
    answer: () => body.inContext(() => {
      // The owner of the connection waits for an end that does not come, or has written: a second answer would have no request.
      // Nor can there be a second one where an error handler or a hook does not come to its end, and may yet.
      if (isBegun || source.isTaken() || (hijacked && isDeaf) || takeover?.hasBegun === true) source.cut()
      else if (takeover === undefined) sendError(response, error)
      else if (!hijacked) takeover.answer()
    })
  })
  if (!hijacked) announceClose(body)
  // A consumer that heard of it may answer past the reply, and an error handler write the answer to an error of a hook's.
  recordAtEnd(body, failed, () => isTold(raw) || takeover?.isOurs !== false || response.statusCode === error.statusCode)
  failRequest(raw, error)
}

function endUnanswered (body: FailedBody, failed: FailedRead): void {
  const { reply, response, raw, source } = body
  // The application is told all the same.
  if (reply !== undefined && !response.headersSent) takeOverReply(reply, failed.error)
  const end = (): void => {
    failRequest(raw, failed.error)
    source.cut()
  }
  if (source.isDelivering) setImmediate(end)
  else end()
  failed.write(false)
}

/** Ends a body that was still read when its answer had been given: that one stands, and what the consumer would send is dropped. */
function endAfterAnswer (body: FailedBody, failed: FailedRead): void {
  if (body.reply !== undefined) takeOverReply(body.reply, failed.error).drop()
  failRequest(body.raw, failed.error)
  body.abandon()
  failed.write(false)
}

/** Ends a body to which a `clientErrorHandler` has given its own answer. */
export function endAnsweredBody (body: FailedBody, failed: FailedRead, wasAnswered: boolean): void {
  failRequest(body.raw, failed.error)
  body.abandon({ isAnswerOut: true })
  failed.write(wasAnswered)
}

/** Ends a body whose read failed. Called at most once for a read. */
export function endBody (body: FailedBody, failed: FailedRead): void {
  const { raw, reply, response, source } = body
  const hijacked = isHijacked(reply)
  if (failed.error.code === 'FST_READ_ABORTED' || !source.canAnswer) tellStatus(response, failed.error)
  if (failed.error.code === 'FST_READ_ABORTED') {
    source.markAborted(raw)
    endUnanswered(body, failed)
  } else if (response.writableEnded && !hijacked) {
    endAfterAnswer(body, failed)
  } else if (source.isTaken() || (response.headersSent && !hijacked)) {
    // Half an answer can't be taken back; cut, it can't be taken for a whole one either.
    endUnanswered(body, failed)
  } else {
    failAndAnswer(body, failed)
  }
}
