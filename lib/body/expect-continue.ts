import type { IncomingMessage, ServerResponse } from 'node:http'
import { onFirstRead } from '../node/request-hooks.js'
import type { BodyRead } from './body-read.js'

/** Clients give up on a server that does not say `100 Continue`: Apache's `ping`, for example, after a second. In milliseconds. */
const LONGEST_DEFERRAL = 500

/**
 * Sends `100 Continue` after the last `onRequest` hook: until then the request can be refused (RFC 9110 §10.1.1). It is sent
 * earlier if the hooks take long, or if a hook reads the body itself. The time until then doesn't count against the client.
 */
export function expectContinue (request: IncomingMessage, response: ServerResponse, body: BodyRead): void {
  const deadline = setTimeout(() => { if (!body.isRefusalDue) body.sendContinue() }, LONGEST_DEFERRAL).unref()
  response.once('close', () => clearTimeout(deadline))
  body.awaitContinue(() => {
    clearTimeout(deadline)
    // A client that already has the head of its answer no longer waits for it.
    if (body.response.headersSent || body.response.writableEnded) return body.onContinueSent()
    body.source.sendContinue(response, () => body.onContinueSent())
    body.source.markResponse()
  })
  onFirstRead(request, () => body.onWanted())
}

/** Answers an expectation that the server does not know, as Node does. */
export function refuseExpectation (response: ServerResponse): void {
  response.writeHead(417)
  response.end()
}
