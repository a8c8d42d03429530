import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { ReadGuardOptions } from '../../../lib/index.js'
import { certificate } from './certificate.js'
import { earlyLimits, earlyRoutes } from './early-answers.js'
import { guardedApp, type GuardedApp } from './guarded-app.js'
import { RawClient } from '../client/raw-client.js'
import { transport } from './transport.js'

/** The most that one read of a socket brings: what the byte bound is kept to. */
export const ONE_READ = 65_536

export interface LingerApp extends GuardedApp {
  /** A client that does not end because the server does. */
  readonly connect: () => RawClient
  /** The server's side of a client's connection. */
  readonly socketOf: (client: RawClient) => Socket
  readonly lingering: () => number
  readonly lingered: () => number
}

/** Closed with the test. */
export async function lingerApp (t: Test, overTls: boolean, guard: ReadGuardOptions, routes: (app: FastifyInstance) => void = earlyRoutes): Promise<LingerApp> {
  const tls = overTls || transport.tls
  const sockets = new Map<number | undefined, Socket>()
  const guarded = await guardedApp({
    guard: { ...earlyLimits, ...guard },
    fastify: tls ? { https: certificate } : {},
    routes: (app) => {
      app.server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => { sockets.set(socket.remotePort, socket) })
      routes(app)
    }
  })
  t.teardown(() => guarded.app.close())
  return {
    ...guarded,
    connect: () => new RawClient(guarded.port, { tls, stays: true }),
    socketOf: (client) => {
      const socket = sockets.get(client.socket.localPort)
      if (socket === undefined) throw new Error('no connection')
      return socket
    },
    lingering: () => guarded.app.readGuard.stats().reading.lingering,
    lingered: () => guarded.app.readGuard.stats().lingered
  }
}

export interface Answered {
  readonly client: RawClient
  /** The server's side. */
  readonly socket: Socket
  /** Bytes that the server has read since. */
  readonly readSince: () => number
  /** When the client began. */
  readonly begun: number
  /** When the server has closed. */
  readonly closed: Promise<number>
}

/** A client that has its answer, and has not ended. */
export async function answered (guarded: LingerApp, bytes: string): Promise<Answered> {
  const client = guarded.connect()
  const begun = performance.now()
  await client.write(bytes)
  await client.until(/\r\n\r\n.*}$/s)
  const socket = guarded.socketOf(client)
  const { bytesRead } = socket
  const closed = new Promise<number>((resolve) => {
    const done = (): void => resolve(performance.now())
    if (socket.closed) done()
    else socket.once('close', done)
  })
  return { client, socket, readSince: () => socket.bytesRead - bytesRead, begun, closed }
}
