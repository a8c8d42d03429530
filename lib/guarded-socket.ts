import type { Socket } from 'node:net'
import type { Connection } from './connection.js'

export const kConnection = Symbol('fastify-read-guard.connection')

export interface GuardedSocket extends Socket {
  [kConnection]?: Connection | undefined
}

export function connectionOf (socket: Socket | undefined): Connection | undefined {
  return (socket as GuardedSocket | undefined)?.[kConnection]
}
