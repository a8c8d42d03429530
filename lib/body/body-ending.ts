import type { FastifyReply } from 'fastify'
import { abortRecord, peerOf, type AbortRecord, type ReadOrigin } from '../record/abort-record.js'
import { putInPlace } from '../answer/reply-takeover.js'
import type { BodyRead } from './body-read.js'
import type { ReadError } from '../record/errors.js'
import { whenOver } from '../answer/exchange-end.js'
import { errorBody } from '../http1/head-ending.js'
import { failIncoming, isBeingRead } from '../node/request-hooks.js'
import { endOf, isFinished } from '../node/internals.js'

/** A consumer that can't hear an error will not answer: no use waiting long, in milliseconds. */
const GRACE_UNTOLD = 200
/** A consumer that was told cleans up and answers; a handler that does not read has an answer of its own. In milliseconds. */
const GRACE_TOLD = 2_000
/** How many graces an answer may take that is held up on its way, in an `onSend` hook say. */
const MOST_GRACES = 5

function bodyOrigin (read: BodyRead): ReadOrigin {
  const { raw, request } = read
  return {
    method: raw.method,
    url: raw.url,
    route: request?.routeOptions.url,
    reqId: request?.id,
    ...(read.source.peer ?? peerOf(raw.socket, read.source.protocol))
  }
}

function recordOf (read: BodyRead, error: ReadError, outcome: Pick<AbortRecord, 'answered' | 'observed'>): AbortRecord {
  return abortRecord(error, bodyOrigin(read), { ...outcome, time: new Date().toISOString() })
}

export function recordBody (read: BodyRead, error: ReadError, outcome: Pick<AbortRecord, 'answered' | 'observed'>): void {
  read.guard.journal.write(recordOf(read, error, outcome), read.request)
}

/** Records once the exchange is over, when it is known whether the answer left. */
function recordAtEnd (read: BodyRead, error: ReadError, answers: () => boolean): void {
  // Afterwards a connection that broke no longer knows whose it was, and the application may have written on its error.
  const record = recordOf(read, error, { answered: false, observed: false })
  whenOver(endOf(read.response), read.source.socket, () => {
    record.answered = isFinished(read.response) && answers()
    read.guard.journal.write(record, read.request)
    read.abandon()
  })
  read.source.answering?.(read.response, read.policy.limits.linger)
}

function closeAfterAnswer (read: BodyRead): void {
  if (!read.response.headersSent && read.source.protocol === 'http/1.1') read.response.setHeader('Connection', 'close')
}

/** The framework gives the answer: it has the error, or made one of its own. */
export function refuseBody (read: BodyRead, error: ReadError): void {
  closeAfterAnswer(read)
  recordAtEnd(read, error, () => true)
}

function answerUnrouted (read: BodyRead, error: ReadError): void {
  read.response.writeHead(error.statusCode ?? 500, { 'Content-Type': 'application/json; charset=utf-8' })
  read.response.end(errorBody(error))
}

/** A reply that its owner has taken out of Fastify's hands (`reply.hijack()`). */
function isHijacked (reply: FastifyReply | undefined): boolean {
  return reply?.sent === true && !reply.raw.writableEnded
}

/** Nothing tells that an answer is held up in a hook, but its type is named by then. */
function isSending (reply: FastifyReply | undefined): boolean {
  return reply?.hasHeader('content-type') === true
}

/** Fails the consumer, and sees to it that the client gets an answer: the application's, or after a grace our own. */
function failAndAnswer (read: BodyRead, error: ReadError): void {
  const { raw, reply, response } = read
  const hijacked = isHijacked(reply)
  const answering = reply === undefined ? undefined : putInPlace(reply, error)
  const told = raw.listenerCount('error') > 0
  const deaf = isBeingRead(raw) && !told
  let graces = 0
  const fallBack = (): void => {
    // Whoever routes it since then has made another response.
    if (read.response.headersSent || answering?.begun === true) return
    // The owner of the connection waits for an end that does not come, or has written: a second answer would be nobody's.
    if (read.source.isTaken?.() === true || (hijacked && deaf)) return read.source.cut()
    if (hijacked) return
    if (!deaf && isSending(reply) && ++graces < MOST_GRACES) fallback = setTimeout(fallBack, GRACE_TOLD)
    else if (answering === undefined) answerUnrouted(read, error)
    else answering.answer()
  }
  let fallback = setTimeout(fallBack, deaf ? GRACE_UNTOLD : GRACE_TOLD)
  endOf(response).once('close', () => clearTimeout(fallback))
  if (!hijacked) closeAfterAnswer(read)
  recordAtEnd(read, error, () => told || answering?.tells !== false)
  failIncoming(raw, error)
}

function endUnanswered (read: BodyRead, error: ReadError): void {
  const { reply, response } = read
  // The application is told all the same.
  if (reply !== undefined && !response.headersSent) putInPlace(reply, error)
  const end = (): void => {
    failIncoming(read.raw, error)
    read.source.cut()
  }
  if (read.source.isDelivering === true) setImmediate(end)
  else end()
  recordBody(read, error, { answered: false, observed: false })
}

/** Ends a body that was still read when its answer had been given: that one stands, and what the consumer would send is dropped. */
function endAfterAnswer (read: BodyRead, error: ReadError): void {
  if (read.reply !== undefined) putInPlace(read.reply, error).drop()
  failIncoming(read.raw, error)
  read.abandon()
  recordBody(read, error, { answered: false, observed: false })
}

/** Ends a body to which a `clientErrorHandler` has given its own answer. */
export function endAnsweredBody (read: BodyRead, error: ReadError, answered: boolean): void {
  failIncoming(read.raw, error)
  read.abandon(true)
  recordBody(read, error, { answered, observed: false })
}

/** Ends a body whose read failed. Called at most once for a read. */
export function endBody (read: BodyRead, error: ReadError): void {
  if (error.code === 'FST_READ_ABORTED') {
    error.statusCode = read.guard.options.abortStatusCode
    if (read.source.protocol === 'http/1.1') read.raw.aborted = true
    endUnanswered(read, error)
  } else if (read.response.writableEnded && !isHijacked(read.reply)) {
    endAfterAnswer(read, error)
  } else if (read.source.isTaken?.() === true || (read.response.headersSent && !isHijacked(read.reply))) {
    // Half an answer can't be taken back; cut, it can't be taken for a whole one either.
    endUnanswered(read, error)
  } else {
    failAndAnswer(read, error)
  }
}
