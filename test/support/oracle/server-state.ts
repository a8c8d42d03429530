import type { Socket } from 'node:net'
import { Server as TLSServer } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import type { RawClient } from '../client/raw-client.js'
import { until } from './until.js'

/** Reads that are under way, and connections that are lingered on. */
export function underWay (app: FastifyInstance): number {
  return Object.values(app.readGuard.stats().reading).reduce((sum, count) => sum + count)
}

/** Resolves once nothing is read any more. */
export function quiet (app: FastifyInstance): Promise<void> {
  return until(() => underWay(app) === 0, 'nothing is read any more')
}

/** Open connections of the first address. */
export function connectionsOf (app: FastifyInstance): Promise<number> {
  return new Promise((resolve, reject) => {
    app.server.getConnections((error, count) => error === null ? resolve(count) : reject(error))
  })
}

/** Resolves once no connection is open. */
export function deserted (app: FastifyInstance): Promise<void> {
  return until(async () => await connectionsOf(app) === 0, 'all connections are closed')
}

export interface ServerSockets {
  /** The server's side of a client's connection. */
  readonly of: (client: RawClient) => Socket
  /** Resolves once the server has read, and parsed, all that the client has written, or will read no more of it. */
  readonly haveRead: (client: RawClient) => Promise<void>
}

/** The server's sides of the connections that are made from here on. */
export function serverSockets (app: FastifyInstance): ServerSockets {
  const sockets = new Map<number | undefined, Socket>()
  app.server.on(app.server instanceof TLSServer ? 'secureConnection' : 'connection', (socket: Socket) => { sockets.set(socket.remotePort, socket) })
  return {
    of: ({ socket: { localPort } }) => {
      const socket = sockets.get(localPort)
      if (socket === undefined) throw new Error('no connection')
      return socket
    },
    haveRead: (client) => until(() => {
      const socket = sockets.get(client.socket.localPort)
      return socket !== undefined && (socket.destroyed || socket.bytesRead >= client.sent)
    }, 'the server has read it')
  }
}
