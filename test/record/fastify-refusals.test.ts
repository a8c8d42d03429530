import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import t from 'tap'
import type { AbortRecord, ReadGuardOptions } from '../../lib/index.js'
import { guardedApp, noise } from '../support/app/guarded-app.js'
import { chunk, head, onlyAnswer, RawClient } from '../support/client/raw-client.js'

t.jobs = 8

const text = { 'Content-Type': 'text/plain' }
const declared = `${head('POST', '/', { ...text, 'Content-Length': 20 })}${'x'.repeat(20)}`
const chunked = `${head('POST', '/', { ...text, 'Transfer-Encoding': 'chunked' })}${chunk('x'.repeat(20))}0\r\n\r\n`

interface Row {
  readonly name: string
  readonly fastify?: FastifyServerOptions
  readonly guard?: ReadGuardOptions
  readonly routes?: (app: FastifyInstance) => void
  readonly send: string
  /** What the client, the error handler and `onError` get. */
  readonly code: string
  readonly statusCode: number
  readonly record: Partial<AbortRecord>
}

const tooLarge = { code: 'FST_ERR_CTP_BODY_TOO_LARGE', statusCode: 413 } as const
const recordedTooLarge = { code: 'FST_READ_BODY_TOO_LARGE', reason: 'body_too_large', statusCode: 413 } as const
const mismatch = { code: 'FST_READ_LENGTH_MISMATCH', reason: 'length_mismatch', statusCode: 400, limit: undefined } as const

/** The JSON parser gets two bytes less than came. */
function shortened (app: FastifyInstance): void {
  app.addHook('preParsing', async (_request, _reply, payload) => {
    let body = ''
    for await (const part of payload) body += String(part)
    return Readable.from([Buffer.from(body.slice(2))])
  })
}

const rows: readonly Row[] = [
  { name: "the application's bodyLimit, declared", fastify: { bodyLimit: 8 }, send: declared, ...tooLarge, record: { ...recordedTooLarge, limit: 8, expected: 20 } },
  { name: "the application's bodyLimit, received", fastify: { bodyLimit: 8 }, send: chunked, ...tooLarge, record: { ...recordedTooLarge, limit: 8, expected: undefined, received: 20 } },
  { name: "the route's bodyLimit", routes: app => { app.post('/', { bodyLimit: 9 }, async () => ({})) }, send: declared, ...tooLarge, record: { ...recordedTooLarge, limit: 9, expected: 20 } },
  {
    name: "a parser's bodyLimit, which nothing tells",
    routes: app => {
      app.removeContentTypeParser('text/plain')
      app.addContentTypeParser('text/plain', { parseAs: 'string', bodyLimit: 10 }, (_request, body, done) => done(null, body))
      app.post('/', async () => ({}))
    },
    send: declared,
    ...tooLarge,
    record: { ...recordedTooLarge, limit: undefined, expected: 20 }
  },
  { name: "the guard's own bodyLimit where it is the smaller", fastify: { bodyLimit: 8 }, guard: { bodyLimit: 7 }, send: declared, code: 'FST_READ_BODY_TOO_LARGE', statusCode: 413, record: { ...recordedTooLarge, limit: 7 } },
  { name: 'a Content-Length that is not that of what a hook made of the body', routes: app => { shortened(app); app.post('/', async () => ({})) }, send: declared, code: 'FST_ERR_CTP_INVALID_CONTENT_LENGTH', statusCode: 400, record: { ...mismatch, expected: 20, received: 20 } }
]

for (const { name, fastify, guard, routes, send, code, statusCode, record } of rows) {
  t.test(`${name}: the code is Fastify's for the client, and ours in the one record`, async (t) => {
    const { app, port, recorded, records, handled, onError, log } = await guardedApp({
      ...(fastify === undefined ? {} : { fastify }),
      ...(guard === undefined ? {} : { guard }),
      routes: routes ?? (app => { app.post('/', async () => ({})) })
    })
    const client = new RawClient(port)
    await client.write(send)
    const answer = onlyAnswer(await client.closed)
    await recorded()
    await app.close()
    t.equal(answer.statusCode, statusCode)
    t.equal(answer.json.code, code)
    t.equal(answer.headers.connection, 'close')
    t.match(records, [{ ...record, phase: 'body', blame: 'client_invalid', answered: true, observed: false, route: '/' }])
    t.equal(records[0]?.limit, record.limit)
    t.equal(records[0]?.expected, 'expected' in record ? record.expected : 20)
    t.equal(records.length, 1)
    t.strictSame(handled.map(error => (error as { code?: string }).code), [code])
    t.strictSame(onError, handled)
    t.same(noise(log), [])
  })
}

t.test('a refusal of Fastify is recorded where reads are only observed, and is no observation', async (t) => {
  const { app, port, recorded, records } = await guardedApp({ fastify: { bodyLimit: 8 }, guard: { mode: 'observe' }, routes: app => { app.post('/', async () => ({})) } })
  const client = new RawClient(port)
  await client.write(declared)
  t.equal(onlyAnswer(await client.closed).json.code, tooLarge.code)
  await recorded()
  await app.close()
  t.match(records, [{ ...recordedTooLarge, observed: false, answered: true }])
  t.equal(records.length, 1)
})

t.test('other refusals of Fastify are no failed reads', async (t) => {
  const { app, port, records } = await guardedApp({ routes: app => { app.post('/', async () => ({})) } })
  const client = new RawClient(port)
  await client.write(`${head('POST', '/', { 'Content-Type': 'application/json', 'Content-Length': 3 })}{a}`)
  await client.until(/FST_ERR_CTP_INVALID_JSON_BODY/)
  client.socket.destroy()
  const other = new RawClient(port)
  await other.write(`${head('POST', '/', { 'Content-Type': 'application/x-unknown', 'Content-Length': 3 })}abc`)
  await other.until(/FST_ERR_CTP_INVALID_MEDIA_TYPE/)
  other.socket.destroy()
  await app.close()
  t.strictSame(records, [])
})

t.test('inject(): a body that is shorter than its Content-Length is recorded once', async (t) => {
  const { app, records, handled } = await guardedApp({ routes: app => { app.post('/', async () => ({})) } })
  const answer = await app.inject({ method: 'POST', url: '/', headers: { 'content-type': 'text/plain', 'content-length': '20' }, payload: 'short' })
  await app.close()
  t.equal(answer.statusCode, 400)
  t.equal(answer.json<{ code: string }>().code, 'FST_READ_LENGTH_MISMATCH')
  t.match(records, [{ ...mismatch, received: 5, expected: 20, answered: true, remotePort: undefined }])
  t.equal(records.length, 1)
  t.equal(handled.length, 1)
})
