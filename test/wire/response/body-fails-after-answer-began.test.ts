import http2 from 'node:http2'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { finished } from 'node:stream/promises'
import { setTimeout as wait } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import type { ReadGuardOptions } from '../../../lib/index.js'
import { guardedApp, type GuardedApp, noise } from '../../support/app/guarded-app.js'
import type { Protocol } from '../../support/app/transport.js'
import { chunk, head, parseAnswers, RawClient } from '../../support/client/raw-client.js'
import { until } from '../../support/oracle/until.js'

const limits: ReadGuardOptions = { bodyTimeout: 500, bodyLimit: 1_000, resolution: 50 }

/** After two seconds at the most the guard answers where nobody else has. */
const LONGER_THAN_ANY_GRACE = 2_300

/** What reading a body came to. */
async function outcome (request: FastifyRequest): Promise<string> {
  try {
    await finished(request.raw.resume())
    return 'whole'
  } catch (error) {
    return String((error as { code?: string }).code)
  }
}

interface Half extends GuardedApp {
  /** What the consumers came to. */
  readonly outcomes: string[]
}

/** Answers begin with the request, and end with its body. */
async function half (t: Test, protocol: Protocol, guard: ReadGuardOptions = {}, listen: { host?: string } = {}): Promise<Half> {
  const outcomes: string[] = []
  const read = async (request: FastifyRequest): Promise<string> => {
    const result = await outcome(request)
    outcomes.push(result)
    return result
  }
  const guarded = await guardedApp({
    t,
    protocol,
    guard: { ...limits, ...guard },
    listen,
    routes: (app: FastifyInstance) => {
      app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
      app.post('/stream', (request, reply) => {
        async function * answer (): AsyncGenerator<string> {
          yield 'begun'
          yield await read(request)
        }
        reply.send(Readable.from(answer()))
      })
      app.post('/hijacked', async (request: FastifyRequest, reply: FastifyReply) => {
        reply.hijack()
        reply.raw.writeHead(200, { 'Content-Type': 'text/plain' })
        reply.raw.write('begun ')
        const result = await read(request)
        await wait(50) // its owner has time
        reply.raw.end(result)
      })
      app.post('/hijacked/late', async (request: FastifyRequest, reply: FastifyReply) => {
        reply.hijack()
        const result = await read(request)
        await wait(50)
        reply.raw.end(result)
      })
      app.post('/hijacked/slow', async (request: FastifyRequest, reply: FastifyReply) => {
        reply.hijack()
        await read(request)
        await wait(LONGER_THAN_ANY_GRACE)
        reply.raw.end('at last')
      })
      app.get('/', async () => ({}))
    }
  })
  return { ...guarded, outcomes }
}

const chunked = (url: string, body: string): string => head('POST', url, { 'Transfer-Encoding': 'chunked' }) + body

const violations = [
  { name: 'stalls', then: '', code: 'FST_READ_BODY_TIMEOUT' },
  { name: 'becomes too large', then: chunk('x'.repeat(1_001)), code: 'FST_READ_BODY_TOO_LARGE' },
  { name: 'is malformed', then: 'zz\r\n', code: 'FST_READ_MALFORMED' }
]

for (const tls of [false, true]) {
  t.test(`${tls ? 'https' : 'http'}: an answer that is under way is cut when the body fails, and is not counted as given`, async (t) => {
    const guarded = await half(t, tls ? 'https' : 'http')
    await Promise.all(violations.map(async ({ name, then }) => {
      const client = new RawClient(guarded.port, { tls })
      await client.write(chunked('/stream', chunk('x')))
      await client.until(/begun/)
      await client.write(then)
      const { text } = await client.closed
      t.match(text, /^HTTP\/1.1 200 OK\r\n/, name)
      t.match(text, /begun\r\n$/, 'no end of it, and no second answer')
    }))
    const records = await guarded.recorded(3)
    t.same(records.map(({ code, answered, statusCode }) => ({ code, answered, statusCode })).sort((a, b) => a.code < b.code ? -1 : 1), [
      { code: 'FST_READ_BODY_TIMEOUT', answered: false, statusCode: 408 },
      { code: 'FST_READ_BODY_TOO_LARGE', answered: false, statusCode: 413 },
      { code: 'FST_READ_MALFORMED', answered: false, statusCode: 400 }
    ])
    await until(() => guarded.outcomes.length === 3, 'all consumers were told')
    t.same(guarded.outcomes.sort(), records.map(({ code }) => code).sort())
    t.equal(guarded.app.readGuard.stats().lingered, 0)
    t.same(noise(guarded.log), [])
  })
}

t.test('in `mode: observe` an answer that is under way is not cut', async (t) => {
  const guarded = await half(t, 'http', { mode: 'observe' })
  const client = new RawClient(guarded.port)
  await client.write(chunked('/stream', chunk('x')))
  const [record] = await guarded.recorded()
  t.match(record, { code: 'FST_READ_BODY_TIMEOUT', observed: true, answered: false })
  await client.write('0\r\n\r\n')
  await client.until(/whole/)
  t.same(guarded.outcomes, ['whole'])
  client.fin()
  await client.closed
})

for (const { name, then, code } of violations) {
  t.test(`a hijacked answer is left to its owner where the body ${name}`, async (t) => {
    const guarded = await half(t, 'http')
    const clients = ['/hijacked', '/hijacked/late'].map((url) => ({ url, client: new RawClient(guarded.port) }))
    await Promise.all(clients.map(async ({ url, client }) => {
      await client.write(chunked(url, chunk('x')))
      await until(() => guarded.app.readGuard.stats().reading.body === 2, 'both bodies are read')
      await client.write(then)
      await client.until(new RegExp(`\r\n\r\n${code}$|\r\n${code}\r\n0\r\n\r\n$`))
      t.same(parseAnswers(client.text).map(({ statusCode, body }) => ({ statusCode, body })), [
        { statusCode: 200, body: url === '/hijacked' ? `begun ${code}` : code }
      ], url)
      t.equal(parseAnswers(client.text)[0]?.headers.connection, 'keep-alive', 'its headers, too')
    }))
    t.same(guarded.outcomes, [code, code], 'the read is failed')
    t.same((await guarded.recorded(2)).map((record) => [record.code, record.answered]), [[code, true], [code, true]])
    for (const { client } of clients) client.fin()
    await Promise.all(clients.map(({ client }) => client.closed))
    t.same(noise(guarded.log), [])
  })
}

t.test('the owner of a hijacked answer may take longer than anybody else', async (t) => {
  const guarded = await half(t, 'http')
  const client = new RawClient(guarded.port)
  await client.write(chunked('/hijacked/slow', chunk('x')))
  await client.until(/at last/)
  t.same(parseAnswers(client.text).map(({ statusCode, body }) => [statusCode, body]), [[200, 'at last']])
  t.same(guarded.outcomes, ['FST_READ_BODY_TIMEOUT'])
  client.fin()
  await client.closed
  t.match(await guarded.recorded(), [{ code: 'FST_READ_BODY_TIMEOUT', answered: true }])
  t.equal(guarded.records.length, 1)
  t.same(noise(guarded.log), [])
})

t.test('HTTP/2: the stream of an answer that is under way is reset, and the session goes on', async (t) => {
  const guarded = await half(t, 'h2c')
  const session = http2.connect(`http://127.0.0.1:${guarded.port}`)
  t.teardown(() => session.close())
  await Promise.all(violations.slice(0, 2).map(async ({ name, then }) => {
    const stream = session.request({ ':method': 'POST', ':path': '/stream' })
    let text = ''
    stream.setEncoding('utf8').on('data', (data: string) => { text += data })
    stream.on('error', () => {})
    stream.write('x')
    await until(() => text === 'begun', 'the answer begins')
    if (then !== '') stream.write(then)
    await new Promise((resolve) => stream.once('close', resolve))
    t.equal(stream.rstCode, http2.constants.NGHTTP2_CANCEL, name)
    t.equal(text, 'begun')
  }))
  t.same((await guarded.recorded(2)).map(({ code, answered, protocol }) => ({ code, answered, protocol })).sort((a, b) => a.code < b.code ? -1 : 1), [
    { code: 'FST_READ_BODY_TIMEOUT', answered: false, protocol: 'h2' },
    { code: 'FST_READ_BODY_TOO_LARGE', answered: false, protocol: 'h2' }
  ])
  await until(() => guarded.outcomes.length === 2, 'both consumers were told')
  t.same(guarded.outcomes.sort(), ['FST_READ_BODY_TIMEOUT', 'FST_READ_BODY_TOO_LARGE'])
  const next = session.request({ ':path': '/' })
  const [answer] = await Promise.all([new Promise<{ ':status'?: number }>((resolve) => next.once('response', resolve)), next.resume()])
  t.equal(answer[':status'], 200)
  t.same(noise(guarded.log), [])
})

for (const { name, then, code } of violations.slice(0, 2)) {
  t.test(`HTTP/2: a hijacked answer is left to its owner where the body ${name}`, async (t) => {
    const guarded = await half(t, 'h2c')
    const session = http2.connect(`http://127.0.0.1:${guarded.port}`)
    t.teardown(() => session.destroy())
    const answers = await Promise.all(['/hijacked', '/hijacked/late'].map(async (url) => {
      const stream = session.request({ ':method': 'POST', ':path': url })
      stream.write('x')
      await until(() => guarded.app.readGuard.stats().reading.body === 2, 'both bodies are read')
      if (then !== '') stream.write(then)
      return await text(stream)
    }))
    t.same(answers, [`begun ${code}`, code])
    t.same(guarded.outcomes, [code, code], 'the read is failed')
    t.same((await guarded.recorded(2)).map((record) => record.code), [code, code])
    t.same(noise(guarded.log), [])
  })
}
