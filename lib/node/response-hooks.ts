import type { ServerResponse } from 'node:http'

/**
 * light-my-request destroys the response of a request that fails, though the answer is still to come: `destroy` on the
 * instance waits for it. Tested with light-my-request 6, on Node 20, 22, 24 and 26.
 */
export function keepUntilAnswered (response: ServerResponse): void {
  const { destroy } = response
  response.destroy = (error?: Error) => response.writableEnded ? destroy.call(response, error) : response
}
