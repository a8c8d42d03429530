import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { ReadGuardOptions } from '../../../lib/index.js'
import { chunk, head, RawClient } from '../client/raw-client.js'
import { serverSockets, type ServerSockets } from '../oracle/server-state.js'
import { guardedApp, type GuardedApp } from './guarded-app.js'
import { transport } from './transport.js'

/** An answer that is given before the client has sent all it has announced. */
export interface EarlyAnswer {
  readonly name: string
  /** What the client sends before it waits for the answer; it can go on with any number of bytes. */
  readonly bytes: string
  /** What it sends first when it goes on. */
  readonly rest?: string
  readonly statusCode: number
  readonly code?: string
  /** Whether the answer says `Connection: close`. */
  readonly closes: boolean
}

/** A body that goes on for longer than anybody listens. */
const ENDLESS = 1e12
const endless = { 'Content-Type': 'application/x-stream', 'Content-Length': ENDLESS }
/** A body of one chunk, which goes on. */
const endlessChunk = head('POST', '/limited', { 'Content-Type': 'application/x-stream', 'Transfer-Encoding': 'chunked' }) + chunk('x'.repeat(101)) + 'fffffffff\r\n'

export const earlyAnswers: readonly EarlyAnswer[] = [
  { name: 'a body declared too large', bytes: head('POST', '/limited', endless), statusCode: 413, code: 'FST_READ_BODY_TOO_LARGE', closes: true },
  { name: 'a body that becomes too large', bytes: endlessChunk, statusCode: 413, code: 'FST_READ_BODY_TOO_LARGE', closes: true },
  { name: 'a body without Content-Length', bytes: head('POST', '/length', { 'Transfer-Encoding': 'chunked' }) + 'fffffffff\r\n', statusCode: 411, code: 'FST_READ_LENGTH_REQUIRED', closes: true },
  { name: 'a body that stalls', bytes: head('POST', '/slow', endless) + 'x', statusCode: 408, code: 'FST_READ_BODY_IDLE_TIMEOUT', closes: true },
  { name: 'a body that stalls, whose consumer cannot be told', bytes: head('POST', '/untold', endless) + 'x', statusCode: 408, code: 'FST_READ_BODY_IDLE_TIMEOUT', closes: true },
  { name: 'a body refused before 100 Continue', bytes: head('POST', '/limited', { ...endless, Expect: '100-continue' }), statusCode: 413, code: 'FST_READ_BODY_TOO_LARGE', closes: true },
  { name: 'a body beyond the bodyLimit of Fastify', bytes: head('POST', '/limited', { ...endless, 'Content-Type': 'application/json' }), statusCode: 413, code: 'FST_READ_BODY_TOO_LARGE', closes: true },
  { name: 'the 401 of a hook', bytes: head('POST', '/private', endless), statusCode: 401, closes: false },
  { name: 'the 401 of a hook, to a client that asks to close', bytes: head('POST', '/private', { ...endless, Connection: 'close' }), statusCode: 401, closes: true },
  { name: 'a handler that does not read', bytes: head('POST', '/unread', endless), statusCode: 200, closes: false },
  { name: 'a handler that stops reading', bytes: head('POST', '/part', endless) + 'x', statusCode: 200, closes: true },
  { name: 'a handler that answers by itself', bytes: head('POST', '/hijacked', endless), statusCode: 200, closes: true },
  { name: 'a 404', bytes: head('POST', '/missing', { ...endless, 'Content-Type': 'application/x-unknown' }), statusCode: 404, closes: false },
  { name: 'a head that stalls', bytes: 'POST / HTTP/1.1\r\nHost: localhost\r\nX: ', statusCode: 408, code: 'FST_READ_HEADERS_TIMEOUT', closes: true },
  { name: 'a head that stalls, and comes with a body after all', bytes: 'POST / HTTP/1.1\r\nHost: localhost\r\nX: ', rest: `x\r\nContent-Length: ${ENDLESS}\r\n\r\n`, statusCode: 408, code: 'FST_READ_HEADERS_TIMEOUT', closes: true },
  { name: 'a head that is too large', bytes: head('GET', '/', { X: 'x'.repeat(20_000) }), statusCode: 431, code: 'FST_READ_HEADERS_TOO_LARGE', closes: true },
  { name: 'a head that is malformed', bytes: 'BAD\r\n\r\n', statusCode: 400, code: 'FST_READ_MALFORMED', closes: true },
  { name: 'a head refused by strictFraming', bytes: head('POST', '/unread', { ...endless, HOST: 'other' }), statusCode: 400, code: 'FST_READ_MALFORMED', closes: true }
]

/** The limits that they break. */
const earlyLimits: ReadGuardOptions = { headersTimeout: 300, resolution: 50 }

/** The routes that give them, and one that answers in time. */
export function earlyRoutes (app: FastifyInstance): void {
  app.addContentTypeParser('application/x-stream', (_request, payload, done) => done(null, payload))
  app.get('/', async () => ({ served: true }))
  app.post('/limited', { config: { readGuard: { bodyLimit: 100 } } }, (request) => request.readRawBody())
  app.post('/length', { config: { readGuard: { requireContentLength: true } } }, async () => ({}))
  app.post('/slow', { config: { readGuard: { bodyIdleTimeout: 300 } } }, (request) => request.readRawBody())
  app.post('/untold', { config: { readGuard: { bodyIdleTimeout: 300 } } }, ({ raw }, reply) => {
    raw.on('data', () => {}).on('end', () => reply.send({}))
  })
  app.post('/private', { onRequest: async (_request, reply) => reply.code(401).send({ statusCode: 401 }) }, async () => ({}))
  app.post('/unread', async () => ({}))
  app.post('/part', (request, reply) => {
    request.raw.once('data', () => {
      request.raw.pause()
      reply.header('Connection', 'close').send({})
    })
  })
  app.post('/hijacked', (_request, reply) => {
    reply.hijack()
    reply.raw.setHeader('Connection', 'close').setHeader('Content-Length', 2).setHeader('Content-Type', 'application/json')
    reply.raw.end('{}')
  })
}

export interface LingeringApp extends GuardedApp {
  /** A client that does not end because the server does. */
  readonly connect: () => RawClient
  readonly sockets: ServerSockets
  readonly lingering: () => number
  readonly lingered: () => number
}

/** An application that lingers on those who go on after an early answer; closed with the test. */
export async function lingeringApp (t: Test, overTls: boolean, guard: ReadGuardOptions, routes: (app: FastifyInstance) => void = earlyRoutes): Promise<LingeringApp> {
  const tls = overTls || transport.tls
  const guarded = await guardedApp({
    t,
    protocol: tls ? 'https' : 'http',
    guard: { ...earlyLimits, ...guard },
    routes: (app) => {
      const sockets = serverSockets(app)
      routes(app)
      return {
        sockets,
        lingering: () => app.readGuard.stats().reading.lingering,
        lingered: () => app.readGuard.stats().lingered
      }
    }
  })
  return { ...guarded, connect: () => new RawClient(guarded.port, { tls, stays: true }) }
}
