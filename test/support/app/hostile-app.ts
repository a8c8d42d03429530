import type { IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import readGuard, { type AbortRecord, type ReadGuardOptions } from '../../../lib/index.js'
import type { Random } from '../oracle/random.js'
import { hostileRoutes } from './hostile-routes.js'
import { serverKind } from './transport.js'

/** What an application does with a connection that changes hands. */
type Upgrading = 'not listened to' | 'accepted' | 'refused' | 'accepted late' | 'destroyed' | 'ignored'

/** An application as a seed makes it. */
export interface World {
  readonly tls: boolean
  readonly guard: ReadGuardOptions
  readonly server: FastifyServerOptions
  readonly upgrading: Upgrading
  readonly hasClientErrorHandler: boolean
  /** After how many milliseconds it closes, whoever is there. */
  readonly closesAfter: number | undefined
}

/** In milliseconds: on a busy machine less than a client needs to send what it has begun. */
export const SHORT_LINGER = 100

/** Bytes that a parsed body may have, whatever the guard says. */
export const PARSED_BODY_LIMIT = 50_000

export function drawWorld (random: Random, tls: boolean): World {
  const linger = random.pick([{ timeout: 1_000, bytes: 1_000_000 }, { timeout: 1_000, bytes: 1_000_000 }, { timeout: SHORT_LINGER, bytes: 2_000 }, false])
  const guard: ReadGuardOptions = {
    handshakeTimeout: 600,
    headersTimeout: random.pick([700, 1_500]),
    minHeadersRate: random.pick([false, false, { bytesPerSecond: 1, gracePeriod: 1_500 }]),
    bodyIdleTimeout: random.pick([500, 900]),
    bodyTimeout: random.pick([0, 3_000]),
    minBodyRate: random.pick([false, { bytesPerSecond: 5, gracePeriod: 800 }]),
    bodyLimit: random.pick([0, 0, 20_000]),
    responseIdleTimeout: 1_500,
    requireContentLength: random.chance(0.1),
    strictFraming: random.chance(0.8),
    mode: random.chance(0.15) ? 'observe' : 'enforce',
    linger,
    resolution: random.pick([20, 50, 100])
  }
  const server: FastifyServerOptions = {
    bodyLimit: PARSED_BODY_LIMIT,
    maxRequestsPerSocket: random.chance(0.1) ? random.int(1, 3) : 0,
    keepAliveTimeout: random.pick([72_000, 400]),
    requestTimeout: random.pick([0, 0, 6_000]),
    connectionTimeout: random.chance(0.1) ? 2_500 : 0,
    forceCloseConnections: random.pick(['idle', 'idle', true, false]),
    return503OnClosing: random.chance(0.7)
  }
  return {
    tls,
    guard,
    server,
    upgrading: random.pick(['not listened to', 'not listened to', 'accepted', 'accepted', 'refused', 'accepted late', 'destroyed', 'ignored']),
    hasClientErrorHandler: random.chance(0.15),
    closesAfter: random.chance(0.15) ? random.int(20, 600) : undefined
  }
}

function accept (socket: Socket): void {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
  socket.pipe(socket)
}

function listenToUpgrades (app: FastifyInstance, upgrading: Upgrading): void {
  const onUpgrade = (_request: IncomingMessage, socket: Socket): void => {
    socket.on('error', () => {})
    if (upgrading === 'accepted') accept(socket)
    else if (upgrading === 'refused') socket.resume().end('HTTP/1.1 426 Upgrade Required\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    else if (upgrading === 'accepted late') setTimeout(() => { if (socket.writable) accept(socket) }, 40)
    else if (upgrading === 'destroyed') socket.destroy()
    // It says nothing, and goes when its client does.
    else socket.resume().on('end', () => socket.end())
  }
  if (upgrading !== 'not listened to') app.server.on('upgrade', onUpgrade).on('connect', onUpgrade)
}

export interface HostileApp {
  readonly app: FastifyInstance
  readonly port: number
  readonly records: AbortRecord[]
  /** Whether the server has closed its connection from this port. */
  readonly hasClosed: (port: number | undefined) => boolean
}

/** @param isGuarded whether it is under guard: what goes wrong may do so without as well */
export async function hostileApp ({ tls, guard, server, upgrading, hasClientErrorHandler }: World, { isGuarded }: { readonly isGuarded: boolean }): Promise<HostileApp> {
  const records: AbortRecord[] = []
  const clientErrorHandler = (_error: Error, socket: Socket): void => {
    if (socket.writable) socket.end('HTTP/1.1 418 I\'m a Teapot\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    else socket.destroy()
  }
  const app = fastify({
    ...serverKind(tls ? 'https' : 'http'),
    ...server,
    ...(hasClientErrorHandler ? { clientErrorHandler } : {})
  } as FastifyServerOptions) as FastifyInstance
  if (isGuarded) await app.register(readGuard, { ...guard, onAbort: (record) => { records.push(record) } })
  else app.decorateRequest('readRawBody', async function () { return Buffer.concat(await this.raw.toArray() as Buffer[]) })
  hostileRoutes(app)
  listenToUpgrades(app, upgrading)
  const closed = new Set<number | undefined>()
  app.server.on('connection', (socket: Socket) => {
    const { remotePort } = socket
    closed.delete(remotePort)
    socket.once('close', () => { closed.add(remotePort) })
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, port: (app.server.address() as AddressInfo).port, records, hasClosed: (port) => closed.has(port) }
}
