import diagnosticsChannel from 'node:diagnostics_channel'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Published when Node considers a response finished. */
const FINISH = 'http.server.response.finish'

/** Node 20 and 22 also publish it when the connection broke while most of a response was still to be sent; 24 and 26 do not. */
const saysFinishOfUnsent = Number(process.versions.node.split('.', 1)) < 24

type OnUnsent = (response: ServerResponse, socket: Socket) => void

const unsentWatchers = new Set<OnUnsent>()

/** One subscriber for all applications, because the channel publishes the responses of all of them. */
function onFinish (message: unknown): void {
  const { response, socket } = message as { response: ServerResponse, socket: Socket } // what this channel tells
  // A write that fails calls back before the socket is destroyed, hence `errored`. A response without a head was never sent.
  if (!response.headersSent || (!socket.destroyed && socket.errored === null)) return
  for (const onUnsent of unsentWatchers) onUnsent(response, socket)
}

/**
 * Calls back for responses that Node reports as finished, and that haven't left.
 *
 * @returns a function that ends this
 */
export function watchUnsent (onUnsent: OnUnsent): () => void {
  if (!saysFinishOfUnsent) return () => {}
  if (unsentWatchers.size === 0) diagnosticsChannel.subscribe(FINISH, onFinish)
  unsentWatchers.add(onUnsent)
  return () => {
    unsentWatchers.delete(onUnsent)
    if (unsentWatchers.size === 0) diagnosticsChannel.unsubscribe(FINISH, onFinish)
  }
}

/*
 * All members of a response that are overridden, each on the instance. Tested on Node 20, 22, 24 and 26.
 */

/**
 * light-my-request destroys the response of a request that fails, though the answer is still to come: `destroy` on the
 * instance waits for it. Tested with light-my-request 6.
 */
export function keepUntilAnswered (response: ServerResponse): void {
  const { destroy } = response
  response.destroy = (error?: Error) => response.writableEnded ? destroy.call(response, error) : response
}

/** From now on the response has this status, whatever is set. If it can't be sent, nothing else shows how the exchange ended. */
export function pinStatus (response: ServerResponse, statusCode: number): void {
  Object.defineProperty(response, 'statusCode', { configurable: true, enumerable: true, get: () => statusCode, set: () => {} })
}
