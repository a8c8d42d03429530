import { Socket } from 'node:net'
import type { Connection } from '../http1/connection.js'

export const kConnection = Symbol('fastify-read-guard.connection')

export interface GuardedSocket extends Socket {
  [kConnection]?: Connection | undefined
}

export function connectionOf (socket: Socket | undefined): Connection | undefined {
  return (socket as GuardedSocket | undefined)?.[kConnection]
}

/**
 * In the place of `socket.destroySoon`, which Node calls after a response with `Connection: close`: closing while the
 * client still sends resets the connection, and destroys the answer. Tested on Node 20, 22, 24 and 26.
 */
export function closeAfterBody (this: GuardedSocket): void {
  if (this[kConnection]?.closing() !== true) Socket.prototype.destroySoon.call(this)
}

/** Listens for the next 'resume'. */
export function tellResumed (this: GuardedSocket): void {
  this.off('resume', tellResumed)
  this[kConnection]?.read?.resumed?.()
}
