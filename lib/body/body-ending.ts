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

/** What ending a body needs to know of it, once its read has failed. */
export interface FailedBody {
  readonly source: BodySource
  readonly raw: GuardedRequest
  /** An upgrade request gets another response when it is routed. */
  readonly response: ServerResponse
  readonly reply: FastifyReply | undefined
  readonly policy: RoutePolicy
  /** Runs `act` in the request's own async context. The events that end an exchange may arrive in any context. */
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
 * Ends a body that is refused. The framework sends the answer, made from our error or from its own. No consumer is left waiting:
 * one that is already reading gets the error, and one that starts later finds the body at its end.
 */
export function refuseBody (body: FailedBody, failed: FailedRead): void {
  const { raw, response } = body
  announceClose(body)
  recordAtEnd(body, failed, () => true)
  if (hasConsumer(raw)) failRequest(raw, failed.error)
  else endRequest(raw, response)
}

/** Fails the consumer, and makes sure that the client gets an answer: the application's, or ours if none comes within its grace. */
function failAndAnswer (body: FailedBody, failed: FailedRead): void {
  const { raw, reply, response, source } = body
  const { error } = failed
  const hijacked = isHijacked(reply)
  const takeover = reply === undefined ? undefined : takeOverReply(reply, error)
  // An answer that has begun (after `reply.hijack()`) is left to its owner, for as long as any held-up answer may take.
  const isBegun = response.headersSent
  const isDeaf = isBeingRead(raw) && raw.listenerCount('error') === 0
  answerAfterGrace({
    isDeaf: isDeaf && !isBegun,
    end: source.endOf(response),
    // Not `response`: the request may have been routed since then, and have another one.
    hasAnswer: () => isBegun ? response.writableEnded : body.response.headersSent,
    isHeldUp: () => isBegun || (!hijacked && !source.isTaken() && (takeover?.hasBegun === true || (!isDeaf && takeover?.isHeldUp === true))),
    answer: () => body.inContext(() => {
      // A second answer would belong to no request if the connection's owner has already written one. An owner that can't be told
      // waits for an end of the body that never comes. And an error handler or a hook that has not ended may still answer.
      if (isBegun || source.isTaken() || (hijacked && isDeaf) || takeover?.hasBegun === true) source.cut()
      else if (takeover === undefined) sendError(response, error)
      else if (!hijacked) takeover.answer()
    })
  })
  if (!hijacked) announceClose(body)
  // A consumer that got the error may answer without the reply, and an error handler may be answering the error of a hook.
  recordAtEnd(body, failed, () => isTold(raw) || takeover?.isOurs !== false || response.statusCode === error.statusCode)
  failRequest(raw, error)
}

function endUnanswered (body: FailedBody, failed: FailedRead): void {
  const { reply, response, raw, source } = body
  // The client gets no answer, but the application still gets the error.
  if (reply !== undefined && !response.headersSent) takeOverReply(reply, failed.error)
  const end = (): void => {
    failRequest(raw, failed.error)
    source.cut()
  }
  if (source.isDelivering) setImmediate(end)
  else end()
  failed.write(false)
}

/** Ends a body that was still being read after its answer was sent. That answer stands; the consumer's is dropped. */
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
    // Half an answer can't be taken back. It is cut, so that the client doesn't take it for a whole one.
    endUnanswered(body, failed)
  } else {
    failAndAnswer(body, failed)
  }
}
