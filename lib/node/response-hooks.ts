import type { ServerResponse } from 'node:http'

/*
 * What is overridden of a response, on the instance. Tested on Node 20, 22, 24 and 26.
 */

/**
 * light-my-request destroys the response of a request that fails, though the answer is still to come: `destroy` on the
 * instance waits for it. Tested with light-my-request 6.
 */
export function keepUntilAnswered (response: ServerResponse): void {
  const { destroy } = response
  response.destroy = (error?: Error) => response.writableEnded ? destroy.call(response, error) : response
}

/** From now on the response has this status for whoever asks, whatever is set: of one that can't be sent, nothing else tells. */
export function pinStatus (response: ServerResponse, statusCode: number): void {
  Object.defineProperty(response, 'statusCode', { configurable: true, enumerable: true, get: () => statusCode, set: () => {} })
}
