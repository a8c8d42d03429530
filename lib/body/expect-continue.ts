import type { IncomingMessage, ServerResponse } from 'node:http'
import { onFirstRead } from '../node/request-hooks.js'
import type { BodyRead } from './body-read.js'

/**
 * Sends `100 Continue` when the body is first wanted: until then a policy or a hook can refuse it (RFC 9110 §10.1.1). The
 * time until it is sent is not the client's.
 */
export function continueWhenWanted (request: IncomingMessage, response: ServerResponse, body: BodyRead): void {
  body.awaitContinue()
  onFirstRead(request, () => {
    // A client that has the head of its answer already does not wait any more.
    if (response.headersSent || response.writableEnded) return body.onContinueSent()
    body.source.sendContinue(response, () => body.onContinueSent())
    body.markResponse()
  })
}

/** Answers an expectation that the server does not know, as Node does. */
export function refuseExpectation (response: ServerResponse): void {
  response.writeHead(417)
  response.end()
}
