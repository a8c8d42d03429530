import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import fastify, { type FastifyInstance } from 'fastify'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import readGuard, { type AbortRecord, type ReadGuardOptions } from '../../lib/index.js'
import { chunk, head, onlyAnswer, RawClient } from '../support/client/raw-client.js'
import { statuses, takeBodiesRaw } from './support.js'

t.jobs = 6

const PAGE = 'https://page.example'
const linger = { timeout: 200 }

interface Failing {
  readonly name: string
  readonly guard: ReadGuardOptions
  readonly url?: string
  readonly headers: Readonly<Record<string, string | number>>
  readonly body: string
  readonly code: string
  readonly statusCode: number
}

const rows: readonly Failing[] = [
  { name: '411', guard: { requireContentLength: true, linger }, headers: { 'Transfer-Encoding': 'chunked' }, body: chunk('hello') + chunk(''), code: 'FST_READ_LENGTH_REQUIRED', statusCode: 411 },
  { name: '413 for a declared length', guard: { bodyLimit: 4, linger }, headers: { 'Content-Length': 5 }, body: 'hello', code: 'FST_READ_BODY_TOO_LARGE', statusCode: 413 },
  { name: '413 for a declared length before 100 Continue', guard: { bodyLimit: 4, linger }, headers: { 'Content-Length': 5, Expect: '100-continue' }, body: '', code: 'FST_READ_BODY_TOO_LARGE', statusCode: 413 },
  { name: '413 for what came', guard: { bodyLimit: 4, linger }, headers: { 'Transfer-Encoding': 'chunked' }, body: chunk('hello'), code: 'FST_READ_BODY_TOO_LARGE', statusCode: 413 },
  { name: "413 of the framework's own", guard: { linger }, url: '/parsed', headers: { 'Content-Type': 'text/plain', 'Content-Length': 50 }, body: 'x'.repeat(50), code: 'FST_ERR_CTP_BODY_TOO_LARGE', statusCode: 413 },
  { name: '408 for a stall', guard: { bodyIdleTimeout: 300, linger }, headers: { 'Content-Length': 5 }, body: 'hel', code: 'FST_READ_BODY_IDLE_TIMEOUT', statusCode: 408 },
  { name: '408 for a stall of which no byte came', guard: { bodyIdleTimeout: 300, linger }, headers: { 'Content-Length': 5 }, body: '', code: 'FST_READ_BODY_IDLE_TIMEOUT', statusCode: 408 },
  { name: '400 for a bad chunk', guard: { linger }, headers: { 'Transfer-Encoding': 'chunked' }, body: chunk('hello') + 'zz\r\n', code: 'FST_READ_MALFORMED', statusCode: 400 },
  { name: '413 where there is no route', guard: { bodyLimit: 4, linger }, url: '/nowhere', headers: { 'Content-Length': 5 }, body: 'hello', code: 'FST_READ_BODY_TOO_LARGE', statusCode: 413 }
]

const orders = ['the guard first', 'the guard between', 'the guard last', 'the others in a child'] as const

interface Listening {
  readonly port: number
  readonly records: AbortRecord[]
  /** The hooks that ran, in order. */
  readonly ran: string[]
}

async function application (t: Test, order: (typeof orders)[number], guard: ReadGuardOptions): Promise<Listening> {
  const app: FastifyInstance = fastify({ bodyLimit: 20 })
  t.teardown(() => app.close())
  const records: AbortRecord[] = []
  const ran: string[] = []
  const ours = async (): Promise<void> => { await app.register(readGuard, { ...guard, onAbort: (record) => { records.push(record) } }) }
  const theirs = async (app: FastifyInstance): Promise<void> => {
    await app.register(cors, { origin: PAGE })
    if (order === 'the guard between') await ours()
    await app.register(helmet)
    app.addHook('onRequest', async () => { ran.push('global') })
  }
  const routes = (app: FastifyInstance): void => {
    takeBodiesRaw(app)
    app.post('/', { onRequest: async () => { ran.push('route') } }, async (request) => {
      let bytes = 0
      for await (const data of request.raw) bytes += (data as Buffer).length
      return { bytes }
    })
    app.register(async (child) => {
      child.addContentTypeParser('text/plain', { parseAs: 'string' }, (_request, body, done) => done(null, body))
      child.post('/parsed', { onRequest: async () => { ran.push('route') } }, async (request) => request.body)
    })
  }
  if (order === 'the guard first' || order === 'the others in a child') await ours()
  if (order === 'the others in a child') {
    await app.register(async (child) => {
      await theirs(child)
      routes(child)
      child.setNotFoundHandler((_request, reply) => { reply.code(404).send('nowhere') })
    })
  } else {
    await theirs(app)
    if (order === 'the guard last') await ours()
    routes(app)
  }
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo // of a server that listens on a port
  return { port, records, ran }
}

for (const order of orders) {
  for (const row of rows) {
    t.test(`${row.name}, ${order}: it has the headers of the other plugins, and their hooks have run`, async (t) => {
      const { port, records, ran } = await application(t, order, row.guard)
      const client = new RawClient(port)
      await client.write(head('POST', row.url ?? '/', { Origin: PAGE, 'Content-Type': 'application/octet-stream', ...row.headers }) + row.body)
      const { text } = await client.closed
      const { statusCode, headers, json } = onlyAnswer({ text })
      t.equal(statusCode, row.statusCode)
      t.equal(json['code'], row.code)
      t.match(headers, { 'access-control-allow-origin': PAGE, 'x-content-type-options': 'nosniff' })
      t.strictSame(ran, row.url === '/nowhere' ? ['global'] : ['global', 'route'])
      t.notMatch(text, row.body === '' && row.statusCode === 413 ? /100 Continue/ : /^$/)
      t.equal(records.length, 1)
    })
  }

  t.test(`a preflight and a request that is fine, ${order}`, async (t) => {
    const { port, records } = await application(t, order, { requireContentLength: true, bodyLimit: 4 })
    const client = new RawClient(port)
    await client.write(head('OPTIONS', '/', { Origin: PAGE, 'Access-Control-Request-Method': 'POST' }))
    await client.until(/access-control-allow-methods/i)
    await client.write(head('POST', '/', { Origin: PAGE, 'Content-Type': 'application/octet-stream', 'Content-Length': 4, Connection: 'close' }) + 'fine')
    t.strictSame(statuses((await client.closed).text), [204, 200])
    t.strictSame(records, [])
  })
}

t.test('who may not ask at all is told so by the hook that knows, not about the size of the body', async (t) => {
  const app = fastify()
  t.teardown(() => app.close())
  const records: AbortRecord[] = []
  await app.register(readGuard, { bodyLimit: 4, requireContentLength: true, onAbort: (record) => { records.push(record) } })
  app.addHook('onRequest', async (request, reply) => {
    if (request.headers.authorization === undefined) return reply.code(401).send({ code: 'WHO_ARE_YOU' })
  })
  app.post('/', async () => 'never')
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo // of a server that listens on a port
  for (const [headers, body] of [[{ 'Content-Length': 5 }, 'hello'], [{ 'Transfer-Encoding': 'chunked' }, chunk('hello') + chunk('')]] as const) {
    const client = new RawClient(port)
    await client.write(head('POST', '/', { 'Content-Type': 'text/plain', ...headers }) + body)
    await client.until(/WHO_ARE_YOU/)
    client.fin()
    t.strictSame(statuses((await client.closed).text), [401])
  }
  t.strictSame(records, [])
})
