import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { initTRPC, TRPCError } from '@trpc/server'
import { fastifyTRPCPlugin } from '@trpc/server/adapters/fastify'
import { octetInputParser } from '@trpc/server/http'
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import { guardedApp, type GuardedApp } from '../support/app/guarded-app.js'
import { chunk, head, onlyAnswer, RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'
import { bytesFor } from './support.js'

t.jobs = 4

const LIMIT = 400

interface Told {
  /** What the adapter's `onError` was called with. */
  readonly onError: TRPCError[]
  /** How procedures that read an upload came to their end. */
  readonly ended: string[]
}

async function procedures (app: FastifyInstance): Promise<Told> {
  const told: Told = { onError: [], ended: [] }
  const trpc = initTRPC.context<{ req: FastifyRequest }>().create()
  const count = async (input: AsyncIterable<Uint8Array>): Promise<{ bytes: number }> => {
    let bytes = 0
    try {
      for await (const data of input) bytes += data.length
      told.ended.push('whole')
      return { bytes }
    } catch (cause) {
      told.ended.push('failed')
      throw new TRPCError({ code: 'TIMEOUT', cause })
    }
  }
  const router = trpc.router({
    save: trpc.procedure.input((note: unknown) => note).mutation(({ input }) => ({ saved: input })),
    upload: trpc.procedure.input(octetInputParser).mutation(({ input }) => count(input as ReadableStream)), // Node's, which can be iterated
    uploadBySignal: trpc.procedure.input(octetInputParser).mutation(({ input, ctx }) => count(Readable.fromWeb(input as ReadableStream, { signal: ctx.req.readGuard.signal })))
  })
  app.addHook('onRoute', (route) => {
    if (route.url.startsWith('/trpc')) route.config = { ...route.config, readGuard: { bodyIdleTimeout: LIMIT, linger: { timeout: 200 } } }
  })
  app.addContentTypeParser('application/octet-stream', (_request, _payload, done) => done(null))
  await app.register(fastifyTRPCPlugin, {
    prefix: '/trpc',
    trpcOptions: { router, createContext: ({ req }: { req: FastifyRequest }) => ({ req }), onError: ({ error }: { error: TRPCError }) => { told.onError.push(error) } }
  })
  return told
}

async function stock (t: Test): Promise<number> {
  const app = fastify()
  t.teardown(() => app.close())
  await procedures(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  return (app.server.address() as { port: number }).port
}

const guarded = (t: Test): Promise<GuardedApp & Told> => guardedApp<Told>({ t, routes: procedures })

function expectOneRecord (t: Test, { records, log }: GuardedApp, expected: object): void {
  t.match(records, [{ route: '/trpc/:path', received: 5, ...expected }])
  t.equal(log.filter(({ abort }) => abort !== undefined).length, 1)
}

const octets = { 'Content-Type': 'application/octet-stream' }
const json = { 'Content-Type': 'application/json' }
const body = '{"hello":1}'

async function begin (port: number, name: string, headers: Readonly<Record<string, string>>): Promise<RawClient> {
  const client = new RawClient(port)
  await client.write(head('POST', `/trpc/${name}`, { ...headers, 'Transfer-Encoding': 'chunked' }) + chunk(body.slice(0, 5)))
  return client
}

for (const [name, headers, data] of [['save', json, { saved: { hello: 1 } }], ['upload', octets, { bytes: body.length }]] as const) {
  t.test(`${name}: what comes whole is answered with the same bytes as without the guard`, async (t) => {
    const { port, records, onError } = await guarded(t)
    const request = head('POST', `/trpc/${name}`, { ...headers, 'Content-Length': body.length, Connection: 'close' }) + body
    const bytes = await bytesFor(port, request)
    t.match(onlyAnswer({ text: bytes }), { statusCode: 200, json: { result: { data } } })
    t.equal(bytes, await bytesFor(await stock(t), request))
    t.strictSame([records, onError], [[], []])
  })

  t.test(`${name}: a body that stalls is answered with the code of the read, and tRPC is told nothing`, async (t) => {
    const app = await guarded(t)
    const client = await begin(app.port, name, headers)
    t.match(onlyAnswer(await client.closed), { statusCode: 408, json: { code: 'FST_READ_BODY_IDLE_TIMEOUT' } })
    expectOneRecord(t, app, { code: 'FST_READ_BODY_IDLE_TIMEOUT', limit: LIMIT, answered: true })
    t.strictSame([app.onError, app.ended], [[], []])
  })

  t.test(`${name}: a client that leaves has one record`, async (t) => {
    const app = await guarded(t)
    const client = await begin(app.port, name, headers)
    await until(() => app.app.readGuard.stats().reading.body === 1, 'it has come')
    client.rst()
    await until(() => app.log.some(({ msg }) => msg === 'request completed'), 'it is over')
    expectOneRecord(t, app, { code: 'FST_READ_ABORTED', answered: false })
  })
}

t.test('a procedure that reads by the signal comes to its end, and gives the answer', async (t) => {
  const app = await guarded(t)
  const client = await begin(app.port, 'uploadBySignal', octets)
  t.match(onlyAnswer(await client.closed), { statusCode: 408, json: { error: { data: { code: 'TIMEOUT' } } } })
  t.strictSame(app.ended, ['failed'])
  t.match(app.onError, [{ code: 'TIMEOUT', cause: { name: 'AbortError', cause: { code: 'FST_READ_BODY_IDLE_TIMEOUT' } } }])
  expectOneRecord(t, app, { code: 'FST_READ_BODY_IDLE_TIMEOUT', answered: true })
})

t.test('a client that leaves ends a procedure that reads by the signal', async (t) => {
  const app = await guarded(t)
  const client = await begin(app.port, 'uploadBySignal', octets)
  await until(() => app.app.readGuard.stats().reading.body === 1, 'it has come')
  client.rst()
  await until(() => app.ended.length > 0, 'it has ended')
  t.strictSame(app.ended, ['failed'])
  expectOneRecord(t, app, { code: 'FST_READ_ABORTED', answered: false })
})
