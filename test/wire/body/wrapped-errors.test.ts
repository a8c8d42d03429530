import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import axios from 'axios'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import got from 'got'
import t, { type Test } from 'tap'
import { request as undiciRequest } from 'undici'
import { guardedApp, noise, type GuardedApp } from '../../support/app/guarded-app.js'
import { Http2Client } from '../../support/client/http2-client.js'
import { data, headers, requestBlock } from '../../support/client/http2-frames.js'
import { head, onlyAnswer, RawClient } from '../../support/client/raw-client.js'

const LIMIT = 200
const ours = { statusCode: 408, code: 'FST_READ_BODY_IDLE_TIMEOUT' } as const

type Handler = (request: FastifyRequest, reply: FastifyReply, upstream: string) => Promise<unknown>

interface Row {
  readonly claim: string
  readonly handler: Handler
  readonly statusCode: number
  /** Absent where the answer is the consumer's own. */
  readonly code?: string
  /** Of the record. */
  readonly answered: boolean
  /** The error does not pass `reply.send()` before the error handler has it. */
  readonly handledAsIs?: boolean
}

/** A consumer that reads, and answers with what it makes of the failure. */
function failsWith (make: (error: Error) => unknown): Handler {
  return async (request) => {
    try {
      return await finished(request.raw.resume())
    } catch (error) {
      throw make(error as Error) // what the read failed with
    }
  }
}

/** A chain that comes back to where it began. */
function circle (cause?: Error): Error {
  const first = new Error('first')
  const second = new AggregateError(cause === undefined ? [first] : [first, cause], 'second', { cause: first })
  first.cause = second
  return first
}

function named (fields: object, cause?: Error): Error {
  return Object.assign(new Error('own', { cause }), fields)
}

const clients: ReadonlyArray<readonly [name: string, handler: Handler]> = [
  ['fetch()', (request, _reply, upstream) => fetch(upstream, { method: 'POST', body: request.raw, duplex: 'half' } as object)],
  ['axios', (request, _reply, upstream) => axios.post(upstream, request.raw, { maxRedirects: 0 })],
  ['axios that follows redirects', (request, _reply, upstream) => axios.post(upstream, request.raw)],
  ['got', (request, _reply, upstream) => got.post(upstream, { body: request.raw, retry: { limit: 0 } }).text()],
  ["undici's request()", (request, _reply, upstream) => undiciRequest(upstream, { method: 'POST', body: request.raw })]
]

const passedOn: readonly Row[] = clients.map(([name, handler]) => ({ claim: `${name} that passes the body on`, handler, ...ours, answered: true }))

const wrappers: ReadonlyArray<readonly [name: string, make: (cause: Error) => Error]> = [
  ['an error whose cause is ours', (cause) => new Error('own', { cause })],
  ['ours three causes down', (cause) => new Error('1', { cause: new TypeError('2', { cause: new Error('3', { cause }) }) })],
  ['an AggregateError that has ours among others', (cause) => new AggregateError([new Error('other'), cause])],
  ['ours below an AggregateError', (cause) => new Error('own', { cause: new AggregateError([new Error('other', { cause })]) })],
  ['a circle of causes that ours is in', circle],
  ['an error that repeats our code and status', (cause) => named({ ...cause }, cause)],
  ['an error with a status that is no error', (cause) => named({ status: 200, statusCode: 0 }, cause)],
  ["a proxy's error with the 500 of all its errors", (cause) => named({ code: 'FST_REPLY_FROM_INTERNAL_SERVER_ERROR', statusCode: 500 }, cause)],
  ['the premature close that ours made', () => named({ code: 'ERR_STREAM_PREMATURE_CLOSE' })],
  ['an error made of such a premature close', () => new Error('own', { cause: named({ code: 'ERR_STREAM_PREMATURE_CLOSE' }) })]
]

const wrapped: readonly Row[] = wrappers.map(([claim, make]) => ({ claim, handler: failsWith(make), ...ours, answered: true }))

const replies: readonly Row[] = [
  {
    claim: 'a wrapped error given to reply.send()',
    handler: async (request, reply) => {
      await finished(request.raw.resume()).catch((cause: unknown) => reply.send(new Error('own', { cause })))
      return reply
    },
    ...ours,
    answered: true
  },
  {
    claim: 'a file that is destroyed without its error, as older multipart does',
    handler: async (request) => {
      const file = new PassThrough()
      request.raw.on('error', () => file.destroy()).pipe(file)
      await pipeline(file, new PassThrough().resume())
    },
    ...ours,
    answered: true
  },
  {
    claim: 'an answer that is sent as a stream, and fails with an error that wraps ours before its first byte',
    handler: async (request) => {
      const answer = new PassThrough()
      request.raw.on('error', (cause) => answer.destroy(new Error('own', { cause }))).resume()
      return answer
    },
    ...ours,
    answered: true,
    handledAsIs: true
  }
]

const others: ReadonlyArray<readonly [name: string, make: (cause: Error) => Error, statusCode: number]> = [
  ['an error with a statusCode of its own', (cause) => named({ statusCode: 502 }, cause), 502],
  ['an error with a status of its own', (cause) => named({ status: 422 }, cause), 422],
  ['a premature close with a status of its own', () => named({ code: 'ERR_STREAM_PREMATURE_CLOSE', statusCode: 503 }), 503],
  ['an error that has nothing to do with ours', () => new Error('own'), 500],
  ['a circle of causes without ours', () => circle(), 500]
]

const kept: readonly Row[] = others.map(([name, make, statusCode]) => ({ claim: `${name} is kept`, handler: failsWith(make), statusCode, answered: true }))

const keptReplies: readonly Row[] = [
  {
    claim: 'a status that the reply was given before is kept',
    handler: async (request, reply) => {
      await finished(request.raw.resume()).catch((cause: unknown) => reply.code(503).send(new Error('own', { cause })))
      return reply
    },
    statusCode: 503,
    answered: true
  },
  {
    claim: 'an answer that is no error is kept, whatever it carries',
    handler: async (request, reply) => {
      await finished(request.raw.resume()).catch((cause: unknown) => reply.code(202).send({ cause: String(cause) }))
      return reply
    },
    statusCode: 202,
    answered: true
  }
]

const rows = [...passedOn, ...wrapped, ...replies, ...kept, ...keptReplies]

async function appFor (t: Test, { handler }: Row, fastify: object = {}): Promise<GuardedApp> {
  const upstream = createServer((request, response) => { request.on('error', () => {}).resume().on('end', () => response.end('{}')) })
  await once(upstream.listen(0, '127.0.0.1'), 'listening')
  const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/`
  const guarded = await guardedApp({
    fastify,
    guard: { bodyIdleTimeout: LIMIT, resolution: 50 },
    routes: (app: FastifyInstance) => {
      app.addContentTypeParser('application/x-stream', (_request, _payload, done) => done(null))
      app.post('/', (request, reply) => handler(request, reply, url))
    }
  })
  t.teardown(async () => {
    await guarded.app.close()
    upstream.closeAllConnections()
    upstream.close()
  })
  return guarded
}

async function expectOutcome (t: Test, row: Row, guarded: GuardedApp, answer: { readonly statusCode: number | undefined, readonly json: Record<string, unknown> }): Promise<void> {
  t.equal(answer.statusCode, row.statusCode)
  if (row.code !== undefined) t.equal(answer.json['code'], row.code)
  else t.not(answer.json['code'], ours.code)
  const [record] = await guarded.recorded()
  t.match(record, { ...ours, answered: row.answered })
  t.equal(guarded.records.length, 1)
  if (row.code === undefined) return
  const code = row.handledAsIs === true ? undefined : row.code
  t.same(guarded.handled.map(error => (error as { code?: string }).code), [code], 'the error handler is called once, with ours')
  t.same(noise(guarded.log), [], 'a slow client is no error of the server')
}

t.test('HTTP/1', async (t) => {
  t.jobs = 8
  for (const row of rows) {
    t.test(row.claim, async (t) => {
      const guarded = await appFor(t, row)
      const client = new RawClient(guarded.port)
      await client.write(head('POST', '/', { 'Content-Type': 'application/x-stream', 'Content-Length': 10 }) + 'abc')
      await expectOutcome(t, row, guarded, onlyAnswer(await client.closed))
    })
  }
})

t.test('HTTP/2', async (t) => {
  t.jobs = 8
  for (const row of rows) {
    t.test(row.claim, async (t) => {
      const guarded = await appFor(t, row, { http2: true })
      const client = await new Http2Client(guarded.port).open()
      await client.write(headers(1, requestBlock('POST', '/', { 'content-type': 'application/x-stream', 'content-length': '10' })), data(1, 'abc'))
      const answer = await client.answer(1)
      await expectOutcome(t, row, guarded, answer)
      client.rst()
    })
  }
})

t.test('inject()', async (t) => {
  t.jobs = 8
  for (const row of rows) {
    t.test(row.claim, async (t) => {
      const guarded = await appFor(t, row)
      const payload = new PassThrough()
      payload.write('abc')
      const response = await guarded.app.inject({ method: 'POST', url: '/', payload, headers: { 'content-type': 'application/x-stream', 'content-length': '10' } })
      const json: unknown = response.headers['content-type']?.toString().includes('json') === true ? response.json() : {}
      await expectOutcome(t, row, guarded, { statusCode: response.statusCode, json: json as Record<string, unknown> })
    })
  }
})

t.test('a client that left is told of in the same way', async (t) => {
  const row = { claim: '', handler: failsWith((cause) => new Error('own', { cause })), statusCode: 499, answered: false }
  const guarded = await appFor(t, row)
  const client = new RawClient(guarded.port)
  await client.write(head('POST', '/', { 'Content-Type': 'application/x-stream', 'Content-Length': 10 }) + 'abc')
  client.fin()
  await client.closed
  t.match(await guarded.recorded(), [{ code: 'FST_READ_ABORTED', answered: false }])
  t.same(guarded.handled.map(error => (error as { code?: string }).code), ['FST_READ_ABORTED'])
})
