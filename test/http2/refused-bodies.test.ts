import { once } from 'node:events'
import http2 from 'node:http2'
import { Writable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import t from 'tap'
import type { ReadGuardOptions } from '../../lib/index.js'
import { guardedApp, noise } from '../support/app/guarded-app.js'
import { http2Kinds } from '../support/app/http2-consumers.js'
import { Http2Client } from '../support/client/http2-client.js'
import { data, Flag, headerBlock, headers, requestBlock, rstStream } from '../support/client/http2-frames.js'
import { delay } from '../support/client/raw-client.js'
import { deserted, quiet } from '../support/oracle/server-state.js'
import { until } from '../support/oracle/until.js'

/*
 * Bodies that are refused before they are read: however they end, and whatever reads the request then, the process stands,
 * and a client that is there has its answer.
 */

t.jobs = 20

interface Refusal {
  readonly name: string
  readonly statusCode: number
  readonly path: string
  readonly length?: number
  readonly guard?: ReadGuardOptions
}

const refusals: readonly Refusal[] = [
  { name: '411', statusCode: 411, path: '/', guard: { requireContentLength: true } },
  { name: '413 for a declared length', statusCode: 413, path: '/', length: 100, guard: { bodyLimit: 10 } },
  { name: '411 of a route', statusCode: 411, path: '/measured' },
  { name: '413 of a route', statusCode: 413, path: '/limited', length: 100 },
  { name: '413 of Fastify', statusCode: 413, path: '/buffered', length: 100 },
  { name: '413 of limits that a hook sets', statusCode: 413, path: '/set', length: 100 }
]

function routes (app: FastifyInstance): void {
  app.post('/', async ({ body }) => ({ body }))
  app.post('/measured', { config: { readGuard: { requireContentLength: true } } }, async ({ body }) => ({ body }))
  app.post('/limited', { config: { readGuard: { bodyLimit: 10 } } }, async ({ body }) => ({ body }))
  app.post('/buffered', { bodyLimit: 10 }, async ({ body }) => ({ body }))
  app.post('/set', { onRequest: async (request) => { request.readGuard.setLimits({ bodyLimit: 10 }) } }, async ({ body }) => ({ body }))
}

async function readAll ({ raw }: FastifyRequest): Promise<number> {
  let bytes = 0
  for await (const chunk of raw) bytes += (chunk as Buffer).length
  return bytes
}

/** What stands between the refusal and its answer. */
const answers: Readonly<Record<string, (app: FastifyInstance) => void>> = {
  'at once': () => {},
  'by a slow onSend hook': (app) => { app.addHook('onSend', async () => { await delay(40) }) },
  'by a slow onError hook': (app) => { app.addHook('onError', async () => { await delay(40) }) },
  ...Object.fromEntries(Object.entries<(request: FastifyRequest) => Promise<unknown>>({
    'that is slow': () => delay(40),
    'that drains with for await': readAll,
    "that drains to 'end'": async ({ raw }) => {
      raw.resume()
      if (!raw.readableEnded) await once(raw, 'end')
    },
    'that drains with finished': async ({ raw }) => {
      raw.resume()
      await finished(raw)
    },
    'that drains with pipeline': ({ raw }) => pipeline(raw, new Writable({ write: (_bytes, _encoding, done) => done() })),
    'that is slow and drains then': async (request) => {
      await delay(40)
      await readAll(request)
    }
  }).map(([name, drain]) => [`by an error handler ${name}`, (app: FastifyInstance) => {
    app.setErrorHandler(async (error: { statusCode: number }, request, reply) => {
      await drain(request)
      return reply.code(error.statusCode).send({ mine: true })
    })
  }]))
}

/** How the body goes on. */
interface Rest {
  /** Whether its client is there for the answer. */
  readonly stays: boolean
  /** In the packet of the request. */
  readonly first?: (length: number) => readonly Buffer[]
  readonly then?: (client: Http2Client, length: number) => unknown
}

const body = (length: number): string => 'x'.repeat(length)
const rests: Readonly<Record<string, Rest>> = {
  'ends with its request': { stays: true, first: (length) => [data(1, body(length), Flag.END_STREAM)] },
  'ends with its request, apart from its last byte': { stays: true, first: (length) => [data(1, body(length)), data(1, '', Flag.END_STREAM)] },
  'ends with trailers': { stays: true, first: (length) => [data(1, body(length)), headers(1, headerBlock({ x: 'y' }), Flag.END_HEADERS | Flag.END_STREAM)] },
  'ends later': { stays: true, then: (client, length) => client.write(data(1, body(length), Flag.END_STREAM)) },
  'ends later, apart from its last byte': { stays: true, then: (client, length) => client.write(data(1, body(length)), data(1, '', Flag.END_STREAM)) },
  'does not end': { stays: true, first: () => [data(1, 'x')] },
  'does not begin': { stays: true },
  'is reset with its request': { stays: false, first: () => [rstStream(1)] },
  'is reset later': { stays: false, then: (client) => client.write(rstStream(1)) },
  'is reset later with NO_ERROR': { stays: false, first: () => [data(1, 'x')], then: (client) => client.write(rstStream(1, 0)) },
  'loses its connection': { stays: false, then: (client) => { client.raw.socket.destroy() } }
}

for (const kind of http2Kinds) {
  for (const refusal of refusals) {
    for (const [how, prepare] of Object.entries(answers)) {
      t.test(`${kind.name}: ${refusal.name}, answered ${how}, whatever becomes of the body`, async (t) => {
        let refused = 0
        const { app, port, records, log } = await guardedApp({
          protocol: kind.protocol,
          guard: { linger: { timeout: 300, bytes: 10_000 }, resolution: 20, ...refusal.guard },
          routes: async (app) => {
            await app.register(async (scope) => {
              scope.addHook('onError', async () => { refused++ })
              prepare(scope)
              routes(scope)
            })
          }
        })
        const length = refusal.length ?? 0
        let requests = 0
        for (const [what, { stays, first, then }] of Object.entries(rests)) {
          const client = await new Http2Client(port, { tls: kind.tls }).open()
          const own = { 'content-type': 'application/json', ...(refusal.length === undefined ? {} : { 'content-length': String(length) }) }
          await client.write(headers(1, requestBlock('POST', refusal.path, own)), ...first?.(length) ?? [])
          requests++
          if (then !== undefined) await until(() => refused === requests, 'it is refused')
          await then?.(client, length)
          if (stays) {
            const { statusCode, ended } = await client.answer(1)
            t.match({ statusCode, ended }, { statusCode: refusal.statusCode, ended: true }, what)
          } else {
            await delay(60)
          }
          client.raw.socket.destroy()
        }
        await deserted(app)
        await quiet(app)
        t.equal(records.length, requests, 'each has one record')
        t.same(noise(log), [])
        await app.close()
      })
    }
  }

  t.test(`${kind.name}: Node's own client has the answer to a request that it ends at once`, async (t) => {
    const { app, port } = await guardedApp({ protocol: kind.protocol, guard: { requireContentLength: true }, routes })
    const session = http2.connect(`${kind.tls ? 'https' : 'http'}://127.0.0.1:${port}`, { rejectUnauthorized: false })
    for (const write of [undefined, '{}']) {
      const stream = session.request({ ':method': 'POST', ':path': '/' })
      if (write !== undefined) stream.write(write)
      stream.end()
      const [answer] = await once(stream, 'response') as [http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader]
      t.equal(answer[':status'], 411)
      stream.resume()
      await once(stream, 'close')
    }
    session.close()
    await app.close()
  })
}
