import type { IncomingMessage, Server, ServerResponse } from 'node:http'

type Exchange = (request: IncomingMessage, response: ServerResponse) => void

/** The own `_read` of the request's class: what reading it does without us. */
function readOf (request: IncomingMessage): (size: number) => void {
  return (Object.getPrototypeOf(request) as IncomingMessage)._read
}

/** As Node asks. */
export function expectsContinue ({ httpVersionMinor, headers: { expect = '' } }: IncomingMessage): boolean {
  return httpVersionMinor === 1 && /(?:^|\W)100-continue(?:$|\W)/i.test(expect)
}

/**
 * Calls back when the body is first wanted: until then a policy or a hook can refuse it (RFC 9110 §10.1.1). Whoever reads
 * a request comes by its `_read`. Tested on Node 20, 22, 24 and 26.
 */
export function whenWanted (request: IncomingMessage, wanted: () => void): void {
  request._read = function (this: IncomingMessage, size) {
    this._read = readOf(this)
    wanted()
    this._read(size)
  }
}

/**
 * Sends `100 Continue`.
 * @param sent called when the client can be expected to send: at once where it has the head of its answer already
 */
export function sendContinue (response: ServerResponse, sent: () => void): void {
  if (response.headersSent || response.writableEnded) return sent()
  // On HTTP/1 it waits behind the answers to earlier requests; the response of HTTP/2 does not take a callback.
  const isQueued = !('stream' in response)
  response.writeContinue(isQueued ? sent : undefined)
  if (!isQueued) sent()
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
