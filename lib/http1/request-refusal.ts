import type { IncomingMessage, ServerResponse } from 'node:http'
import { sendError } from '../answer/error-body.js'
import { onExchangeEnd } from '../answer/exchange-end.js'
import { isAnswerOut } from '../node/response-internals.js'
import { pendingResponse } from '../node/socket-internals.js'
import { requestOrigin } from '../record/abort-record.js'
import { untimedFacts, type Violation } from '../record/errors.js'
import type { FailedRead } from '../record/recorder.js'
import type { Connection } from './connection.js'
import { answerHead } from './head-answer.js'
import { PendingAnswer } from './linger.js'

/** Has the application's own `clientErrorHandler` answer, when it is its turn, without the response that Node has already made. */
function leaveToApplication (connection: Connection, request: IncomingMessage, response: ServerResponse, failed: FailedRead): void {
  const pending = new PendingAnswer(connection, 'all owed', connection.guard.options.policy.limits.linger, {
    isLast: true,
    onOut: () => answerHead(connection, failed),
    onLost: () => failed.write(false)
  })
  pending.onLateRequest(response)
  connection.beginBody(pending)
  connection.discard(request)
  const turn = pendingResponse(connection.socket)
  if (turn === undefined || turn === response) pending.onAnswered()
}

/**
 * Refuses a request whose head is complete and must not be trusted, before any listener sees it.
 *
 * @param received bytes of the head
 * @returns whether the request goes on nevertheless (`mode: 'observe'`)
 */
export function refuseRequest (connection: Connection, request: IncomingMessage, response: ServerResponse, violation: Violation, received: number): boolean {
  const { guard, peer, socket } = connection
  const origin = requestOrigin(request, undefined, peer, guard.journal.log)
  const facts = untimedFacts('headers', undefined, received)
  if (guard.options.policy.limits.mode === 'observe') {
    guard.recorder.observe(violation, facts, origin)
    return true
  }
  const failed = guard.recorder.fail(violation, facts, origin)
  if (guard.ownHandlers !== undefined) {
    leaveToApplication(connection, request, response, failed)
    return false
  }
  onExchangeEnd(response, socket, () => failed.write(isAnswerOut(response)))
  connection.refuse(request, response)
  sendError(response, failed.error, { Connection: 'close' })
  return false
}
