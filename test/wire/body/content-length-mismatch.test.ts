import t, { type Test } from 'tap'
import { Readable, Transform } from 'node:stream'
import { gzipSync } from 'node:zlib'
import compress from '@fastify/compress'
import type { FastifyInstance, RequestPayload } from 'fastify'
import { guardedApp, type GuardedApp, type GuardedAppOptions, noise } from '../../support/app/guarded-app.js'
import { head, onlyAnswer, RawClient } from '../../support/client/raw-client.js'
import { mustBeRefused, onlyRecord } from '../../support/oracle/expect-refusal.js'

t.jobs = 16

function app (t: Test, routes: (app: FastifyInstance) => void | Promise<void>, options: GuardedAppOptions = {}): Promise<GuardedApp> {
  return guardedApp({ t, ...options, routes })
}

function echo (app: FastifyInstance): void {
  app.post('/', async (request) => {
    const { received, expected, phase } = request.readGuard
    return { body: request.body, received, expected, phase }
  })
  app.post('/raw', { config: { rawParser: true } }, async (request) => ({ body: await request.readRawBody({ encoding: 'latin1' }) }))
}

/** A parser that leaves the body to the handler. */
function withRawBodies (app: FastifyInstance): void {
  app.addContentTypeParser('application/octet-stream', (_request, _payload, done) => done(null))
  echo(app)
}

/** inject() frames nothing: a body may be shorter or longer than its Content-Length. */
const injected = [
  ['shorter', 11, 'x'.repeat(10), 10],
  ['longer', 5, 'x'.repeat(10), 10],
  ['a single byte shorter', 11, 'x'.repeat(10), 10],
  ['empty', 3, '', 0]
] as const

for (const [name, declared, payload, received] of injected) {
  for (const [consumer, url, type] of [['a parser', '/', 'text/plain'], ['readRawBody()', '/raw', 'application/octet-stream']] as const) {
    t.test(`inject: a body that is ${name} than declared fails ${consumer} with FST_READ_LENGTH_MISMATCH`, async (t) => {
      const guarded = await app(t, withRawBodies)
      const response = await guarded.app.inject({ method: 'POST', url, headers: { 'content-type': type, 'content-length': String(declared) }, payload: Readable.from(payload === '' ? [] : [payload]) })
      t.equal(response.statusCode, 400)
      t.strictSame(response.json(), {
        statusCode: 400,
        code: 'FST_READ_LENGTH_MISMATCH',
        error: 'Bad Request',
        message: 'The size of the request body does not match its Content-Length'
      })
      t.match(await onlyRecord(t, guarded, 'warn'), {
        code: 'FST_READ_LENGTH_MISMATCH',
        reason: 'length_mismatch',
        phase: 'body',
        blame: 'client_invalid',
        statusCode: 400,
        answered: true,
        received,
        expected: declared
      })
      t.match(guarded.handled, [{ code: 'FST_READ_LENGTH_MISMATCH', received, expected: declared }])
      t.strictSame(noise(guarded.log), [])
    })
  }
}

t.test('inject: a body of the declared size passes', async (t) => {
  const guarded = await app(t, withRawBodies)
  for (const payload of ['abc', Readable.from(['ab', 'c'])]) {
    const response = await guarded.app.inject({ method: 'POST', url: '/', headers: { 'content-type': 'text/plain', 'content-length': '3' }, payload })
    t.equal(response.statusCode, 200)
    t.same(response.json(), { body: 'abc', received: 3, expected: 3, phase: 'handler' })
  }
  t.strictSame(guarded.records, [])
})

/** A preParsing hook's stream, which gives other bytes than came. */
function changed (payload: RequestPayload, change: (chunk: Buffer) => Buffer, told: boolean): RequestPayload {
  const stream: Transform & { receivedEncodedLength?: number } = new Transform({
    transform (chunk: Buffer, _encoding, done) {
      if (told) stream.receivedEncodedLength = (stream.receivedEncodedLength ?? 0) + chunk.length
      done(null, change(chunk))
    }
  })
  return payload.pipe(stream)
}

const changes = [
  ['shortens', (chunk: Buffer) => chunk.subarray(1)],
  ['lengthens', (chunk: Buffer) => Buffer.concat([chunk, Buffer.from('x')])]
] as const

for (const [name, change] of changes) {
  t.test(`a preParsing hook that ${name} the body: Fastify's refusal keeps its code, and the record is ours`, async (t) => {
    const guarded = await app(t, (app) => {
      app.addHook('preParsing', async (_request, _reply, payload) => changed(payload, change, false))
      echo(app)
    })
    const client = new RawClient(guarded.port)
    await client.write(head('POST', '/', { 'Content-Type': 'text/plain', 'Content-Length': 10 }) + '0123456789')
    mustBeRefused(t, await client.closed, 400, 'Bad Request', 'FST_ERR_CTP_INVALID_CONTENT_LENGTH')
    t.match(await onlyRecord(t, guarded, 'warn'), { code: 'FST_READ_LENGTH_MISMATCH', statusCode: 400, answered: true, received: 10, expected: 10, blame: 'client_invalid' })
    t.match(guarded.handled, [{ code: 'FST_ERR_CTP_INVALID_CONTENT_LENGTH' }])
  })

  t.test(`a preParsing hook that ${name} the body, and says what came, is no mismatch`, async (t) => {
    const guarded = await app(t, (app) => {
      app.addHook('preParsing', async (_request, _reply, payload) => changed(payload, change, true))
      echo(app)
    })
    const client = new RawClient(guarded.port)
    await client.write(head('POST', '/', { 'Content-Type': 'text/plain', 'Content-Length': 10, Connection: 'close' }) + '0123456789')
    t.match(onlyAnswer(await client.closed), { statusCode: 200, json: { received: 10, expected: 10 } })
    t.strictSame(guarded.records, [])
  })
}

const TEXT = JSON.stringify({ text: 'x'.repeat(10_000) })
const encoded = gzipSync(TEXT)

async function decompressing (app: FastifyInstance): Promise<void> {
  await app.register(compress, { global: true })
  echo(app)
}

function gzipped (length: number): string {
  return head('POST', '/', { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip', 'Content-Length': length, 'Accept-Encoding': 'identity', Connection: 'close' })
}

t.test('an encoded body is compared with its Content-Length as sent', async (t) => {
  const guarded = await app(t, decompressing, { guard: { requireContentLength: true, bodyLimit: encoded.length } })
  const client = new RawClient(guarded.port)
  await client.write(gzipped(encoded.length))
  for (let i = 0; i < encoded.length; i += 20) await client.write(encoded.subarray(i, i + 20))
  const answer = onlyAnswer(await client.closed)
  t.equal(answer.statusCode, 200)
  t.match(answer.json, { body: JSON.parse(TEXT) as object, received: encoded.length, expected: encoded.length })
  t.strictSame(guarded.records, [])
})

t.test('an encoded body that ends short is a client that left, counted as sent', async (t) => {
  const guarded = await app(t, decompressing)
  const client = new RawClient(guarded.port)
  await client.write(gzipped(encoded.length))
  await client.write(encoded.subarray(0, 20))
  client.fin()
  t.equal((await client.closed).text, '')
  t.match(await onlyRecord(t, guarded, 'info'), { code: 'FST_READ_ABORTED', received: 20, expected: encoded.length, answered: false })
})

t.test('the limit of an encoded body is that of its encoded bytes', async (t) => {
  const guarded = await app(t, decompressing, { guard: { bodyLimit: encoded.length - 1 } })
  const client = new RawClient(guarded.port)
  await client.write(gzipped(encoded.length))
  mustBeRefused(t, await client.closed, 413, 'Payload Too Large', 'FST_READ_BODY_TOO_LARGE')
  t.match(await onlyRecord(t, guarded, 'warn'), { code: 'FST_READ_BODY_TOO_LARGE', received: 0, expected: encoded.length, limit: encoded.length - 1 })
})

for (const [name, declared] of [['longer', encoded.length - 1], ['shorter', encoded.length + 1]] as const) {
  t.test(`inject: an encoded body ${name} than declared is a mismatch`, async (t) => {
    const guarded = await app(t, decompressing)
    const response = await guarded.app.inject({
      method: 'POST',
      url: '/',
      headers: { 'content-type': 'application/json', 'content-encoding': 'gzip', 'content-length': String(declared), 'accept-encoding': 'identity' },
      payload: encoded
    })
    t.equal(response.statusCode, 400)
    t.match(response.json(), { code: 'FST_READ_LENGTH_MISMATCH' })
    t.match(await onlyRecord(t, guarded, 'warn'), { code: 'FST_READ_LENGTH_MISMATCH', received: encoded.length, expected: declared, answered: true })
  })
}

t.test('bytes that can not be decoded are no affair of the read, which was complete', async (t) => {
  const guarded = await app(t, decompressing)
  const client = new RawClient(guarded.port)
  await client.write(gzipped(11) + 'not gzipped')
  t.equal(onlyAnswer(await client.closed).statusCode, 400)
  t.strictSame(guarded.records, [])
})
