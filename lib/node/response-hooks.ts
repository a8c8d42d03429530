import diagnosticsChannel from 'node:diagnostics_channel'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Published when Node takes a response for finished. */
const FINISH = 'http.server.response.finish'

/** Node 20 and 22 say so of a response whose connection broke while most of it was still to be sent; 24 and 26 do not. */
const saysFinishOfUnsent = Number(process.versions.node.split('.', 1)) < 24

type OnUnsent = (response: ServerResponse, socket: Socket) => void

const unsentWatchers = new Set<OnUnsent>()

/** One for all applications: of the responses of all of them Node tells each one that listens. */
function onFinish (message: unknown): void {
  const { response, socket } = message as { response: ServerResponse, socket: Socket } // what this channel tells
  // Of a write that failed its callback is told before the socket is destroyed; one without a head was never given.
  if (!response.headersSent || (!socket.destroyed && socket.errored === null)) return
  for (const onUnsent of unsentWatchers) onUnsent(response, socket)
}

/**
 * Tells of responses that Node says have left, and that have not.
 *
 * @returns what ends it
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
