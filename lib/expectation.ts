import type { IncomingMessage, Server, ServerResponse } from 'node:http'

type Exchange = (request: IncomingMessage, response: ServerResponse) => void

/** The own `_read` of the request's class: what reading it does without us. */
function readOf (request: IncomingMessage): (size: number) => void {
  return (Object.getPrototypeOf(request) as IncomingMessage)._read
}

/**
 * Sends `100 Continue` when the body is first wanted (RFC 9110 §10.1.1), so that a policy or a hook can refuse before.
 * Whoever reads a request comes by its `_read`. Tested on Node 20, 22, 24 and 26.
 */
export function continueWhenRead (request: IncomingMessage, response: ServerResponse, continued: () => void): void {
  request._read = function (this: IncomingMessage, size) {
    this._read = readOf(this)
    if (!response.headersSent && !response.writableEnded) {
      response.writeContinue()
      continued()
    }
    this._read(size)
  }
}

/** Answers an expectation that nobody knows as Node does. */
function refuseExpectation (response: ServerResponse): void {
  response.writeHead(417)
  response.end()
}

/** An event that Node handles by itself until somebody listens: ours steps back when the application's own comes. */
function whileAlone (server: Server, event: string, own: Exchange): void {
  if (server.listenerCount(event) > 0) return
  server.on(event, own)
  server.on('newListener', (added: string, listener: unknown) => {
    if (added === event && listener !== own) server.off(event, own)
  })
}

/**
 * Takes requests with `Expect` the way of all others.
 * @param onHead tells whether there is still an answer to be given
 */
export function watchExpectations (server: Server, onContinue: Exchange, onHead: (...exchange: Parameters<Exchange>) => boolean): void {
  whileAlone(server, 'checkContinue', onContinue)
  whileAlone(server, 'checkExpectation', (request, response) => {
    if (onHead(request, response)) refuseExpectation(response)
  })
}
