import type { FastifyInstance, FastifyRequest } from 'fastify'
import t from 'tap'
import type { AbortRecord, ReadGuardOptions } from '../../../lib/index.js'
import { guardedApp, noise } from '../../support/app/guarded-app.js'
import { bufferedConsumer, http2Kinds, http2Parties } from '../../support/app/http2-consumers.js'
import { data, Flag, headers, requestBlock } from '../../support/client/http2-frames.js'
import { chunk, delay, head, onlyAnswer, parseAnswers, RawClient } from '../../support/client/raw-client.js'
import { until } from '../../support/oracle/until.js'

t.jobs = 20

const LIMIT = 300
const SLACK = 2
/** What an `onRequest` hook takes: longer than a body may be silent, and not so long that the 100 does not wait for it. */
const HOOK = 400
/** How long the 100 waits for hooks. */
const DEFERRAL = 500
const guard = { bodyIdleTimeout: LIMIT, bodyTimeout: LIMIT * 2, resolution: 50, linger: { timeout: 200, bytes: 100_000 } } as const
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'
const expects = { Expect: '100-continue' } as const

async function count (request: FastifyRequest): Promise<number> {
  let bytes = 0
  for await (const part of request.raw) bytes += (part as Buffer).length
  return bytes
}

function routes (app: FastifyInstance): void {
  app.addContentTypeParser('application/x-stream', (_request, _payload, done) => { done(null) })
  app.addHook('onRequest', async (request, reply) => {
    const { authorization, 'x-wait': wait } = request.headers
    if (wait !== undefined) await delay(Number(wait))
    if (authorization === 'wrong') await reply.code(401).send({ error: 'who are you' })
  })
  app.post('/', async (request) => `${(request.body as string).length} bytes`)
  app.post('/stream', async (request) => `${await count(request)} bytes`)
  app.post('/paused', async (request) => {
    const bytes = await count(request)
    return { bytes, paused: request.readGuard.paused }
  })
  app.post('/unread', async () => { await delay(LIMIT / 2); return 'unread' })
  app.get('/', async () => 'got')
  app.post('/small', { bodyLimit: 5 }, async () => 'small')
}

/** An answer that comes without a 100 before it. */
interface Refusal {
  readonly name: string
  readonly guard?: ReadGuardOptions
  readonly url?: string
  readonly headers: Readonly<Record<string, string | number>>
  readonly statusCode: number
  readonly record?: Partial<AbortRecord>
}

const TEN = { 'Content-Length': 10, 'Content-Type': 'text/plain' } as const

const refusals: readonly Refusal[] = [
  { name: 'a policy that wants a Content-Length', guard: { requireContentLength: true }, headers: { ...expects, 'Transfer-Encoding': 'chunked', 'Content-Type': 'text/plain' }, statusCode: 411, record: { code: 'FST_READ_LENGTH_REQUIRED' } },
  { name: 'a policy that wants less', guard: { bodyLimit: 9 }, headers: { ...expects, ...TEN }, statusCode: 413, record: { code: 'FST_READ_BODY_TOO_LARGE', expected: 10 } },
  { name: 'a hook', headers: { ...expects, ...TEN, Authorization: 'wrong' }, statusCode: 401 },
  { name: 'an expectation that nobody knows', headers: { Expect: 'the unexpected', ...TEN, Connection: 'close' }, statusCode: 417 }
]

for (const scheme of ['http', 'https'] as const) {
  const tls = scheme === 'https'
  for (const { name, guard: own, url = '/', headers, statusCode, record } of refusals) {
    t.test(`${scheme}: ${name} answers without a 100`, async (t) => {
      const { app, port, records, recorded, log } = await guardedApp({ guard: { ...guard, ...own }, protocol: scheme, routes })
      const client = new RawClient(port, { tls })
      await client.write(head('POST', url, headers))
      const { text } = await client.closed
      t.notMatch(text, /100 Continue/)
      const answer = onlyAnswer({ text })
      t.equal(answer.statusCode, statusCode)
      t.equal(answer.headers.connection, 'close')
      if (record !== undefined) await recorded()
      await app.close()
      t.match(records, record === undefined ? [] : [{ ...record, received: 0, answered: true, statusCode }])
      t.equal(records.length, record === undefined ? 0 : 1)
      t.same(noise(log), [])
    })
  }

  t.test(`${scheme}: a client that sends what was refused without a 100 can read the answer`, async (t) => {
    const { app, port, records } = await guardedApp({ guard: { ...guard, bodyLimit: 9 }, protocol: scheme, routes })
    const client = new RawClient(port, { tls })
    await client.write(head('POST', '/', { ...expects, ...TEN }) + 'x'.repeat(10))
    const seen = await client.closed
    t.equal(onlyAnswer(seen).statusCode, 413)
    t.equal(seen.end, 'FIN')
    await app.close()
    t.equal(records.length, 1)
  })

  for (const url of ['/', '/stream']) {
    t.test(`${scheme}: the 100 is sent after the last hook, and once (${url})`, async (t) => {
      const { app, port, records } = await guardedApp({ guard, protocol: scheme, routes })
      const client = new RawClient(port, { tls })
      const type = url === '/' ? 'text/plain' : 'application/x-stream'
      const began = performance.now()
      await client.write(head('POST', url, { ...expects, 'Content-Type': type, 'Content-Length': 10, 'X-Wait': HOOK }))
      await client.until(/100 Continue/)
      t.ok(performance.now() - began >= HOOK - SLACK, 'after the hooks')
      t.equal(client.text, CONTINUE)
      await client.write('x'.repeat(5))
      await delay(LIMIT / 2)
      await client.write('x'.repeat(5))
      await client.until(/10 bytes/)
      t.match(parseAnswers(client.text), [{ statusCode: 200, body: '10 bytes', headers: { connection: 'keep-alive' } }])
      // The connection is good for more.
      await client.write(head('POST', url, { ...expects, 'Content-Type': type, 'Transfer-Encoding': 'chunked', Connection: 'close' }))
      await client.until(/100 Continue[^]*100 Continue/)
      await client.write(chunk('xxx') + '0\r\n\r\n')
      const { text } = await client.closed
      t.match(parseAnswers(text), [{ body: '10 bytes' }, { body: '3 bytes' }])
      t.equal(text.split(CONTINUE).length - 1, 2)
      await app.close()
      t.same(records, [])
    })
  }

  t.test(`${scheme}: time before the 100 is not the client's`, async (t) => {
    const { app, port, records } = await guardedApp({ guard, protocol: scheme, routes })
    const client = new RawClient(port, { tls })
    await client.write(head('POST', '/paused', { ...expects, 'Content-Type': 'application/x-stream', 'Content-Length': 10, 'X-Wait': HOOK }))
    await client.until(/100 Continue/)
    await delay(LIMIT / 2)
    await client.write('x'.repeat(10))
    await client.until(/}$/)
    const [answer] = parseAnswers(client.text)
    client.fin()
    await app.close()
    t.match(answer, { statusCode: 200, json: { bytes: 10 } })
    t.ok(Number(answer?.json['paused']) >= LIMIT, `${answer?.json['paused']} ms are not counted`)
    t.same(records, [])
  })

  t.test(`${scheme}: a client that has its 100 and sends nothing is ended by the limits`, async (t) => {
    const { app, port, recorded, records } = await guardedApp({ guard, protocol: scheme, routes })
    const client = new RawClient(port, { tls })
    await client.write(head('POST', '/', { ...expects, ...TEN, 'X-Wait': HOOK }))
    await client.until(/100 Continue/)
    const { text } = await client.closed
    t.match(onlyAnswer({ text }), { statusCode: 408, json: { code: 'FST_READ_BODY_IDLE_TIMEOUT' } })
    await recorded()
    await app.close()
    t.match(records, [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', received: 0, expected: 10, answered: true }])
    t.equal(records.length, 1)
    t.ok((records[0]?.elapsed ?? 0) >= LIMIT, `${records[0]?.elapsed} ms after the 100`)
    t.ok((records[0]?.paused ?? 0) >= LIMIT, `${records[0]?.paused} ms were not counted`)
  })

  t.test(`${scheme}: a client that does not wait is served`, async (t) => {
    const { app, port, records } = await guardedApp({ guard, protocol: scheme, routes })
    const client = new RawClient(port, { tls })
    await client.write(head('POST', '/', { ...expects, ...TEN, 'X-Wait': LIMIT / 2, Connection: 'close' }) + 'x'.repeat(10))
    t.match(parseAnswers((await client.closed).text), [{ statusCode: 200, body: '10 bytes' }])
    await app.close()
    t.same(records, [])
  })

  t.test(`${scheme}: an expectation without a body is met at once, as by Node`, async (t) => {
    const { app, port, records } = await guardedApp({ guard, protocol: scheme, routes })
    const client = new RawClient(port, { tls })
    await client.write(head('GET', '/', { ...expects, 'X-Wait': LIMIT }))
    await client.until(/got$/)
    t.ok(client.text.startsWith(CONTINUE))
    t.match(parseAnswers(client.text), [{ statusCode: 200, headers: { connection: 'keep-alive' } }])
    client.fin()
    await app.close()
    t.same(records, [])
  })
}

t.test('time before a 100 that waits behind another answer is not the client\'s', async (t) => {
  const { app, port, records } = await guardedApp({ guard, routes })
  const client = new RawClient(port)
  await client.write(head('GET', '/', { 'X-Wait': LIMIT * 3 }) + head('POST', '/', { ...expects, ...TEN, Connection: 'close' }))
  await client.until(/got[^]*100 Continue/)
  await delay(LIMIT / 2)
  await client.write('x'.repeat(10))
  t.match(parseAnswers((await client.closed).text), [{ body: 'got' }, { body: '10 bytes' }])
  await app.close()
  t.same(records, [])
})

t.test('a client that has its 100 after another answer, and sends nothing, is ended by the limits', async (t) => {
  const { app, port, recorded, records } = await guardedApp({ guard, routes })
  const client = new RawClient(port)
  await client.write(head('GET', '/', { 'X-Wait': LIMIT * 3 }) + head('POST', '/', { ...expects, ...TEN }))
  await client.until(/100 Continue/)
  const told = performance.now()
  t.match(parseAnswers((await client.closed).text), [{ body: 'got' }, { statusCode: 408 }])
  t.ok(performance.now() - told >= LIMIT - 50, `${performance.now() - told} ms after the 100`)
  await recorded()
  await app.close()
  t.match(records, [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', received: 0, answered: true }])
  t.equal(records.length, 1)
  t.ok((records[0]?.paused ?? 0) >= LIMIT * 2, `${records[0]?.paused} ms were not counted`)
})

t.test('where the answer begins in a hook no 100 is sent, and the body is timed', async (t) => {
  const { app, port, recorded, records } = await guardedApp({
    guard,
    routes: (app) => {
      routes(app)
      app.addHook('onRequest', async (request, reply) => {
        reply.hijack()
        reply.raw.writeHead(200)
        reply.raw.write('first')
        request.raw.on('error', () => { reply.raw.destroy() })
        request.raw.pipe(reply.raw)
      })
      app.post('/echo', () => {})
    }
  })
  const client = new RawClient(port)
  await client.write(head('POST', '/echo', { ...expects, ...TEN, 'Content-Type': 'application/x-stream' }) + 'x')
  const { text } = await client.closed
  t.match(text, /^HTTP\/1\.1 200 /)
  await recorded()
  await app.close()
  t.match(records, [{ code: 'FST_READ_BODY_TIMEOUT', received: 1, answered: false }])
  t.equal(records.length, 1)
})

for (const [name, url, type, answer] of [
  ["Fastify's own bodyLimit", '/small', 'text/plain', { statusCode: 413, json: { code: 'FST_ERR_CTP_BODY_TOO_LARGE' } }],
  ['a handler that does not read', '/unread', 'application/x-stream', { statusCode: 200, body: 'unread' }],
  ['no route', '/nowhere', 'text/plain', { statusCode: 404 }]
] as const) {
  t.test(`no hook has refused it, and the 100 is sent: ${name}`, async (t) => {
    const { app, port } = await guardedApp({ guard, routes })
    const client = new RawClient(port)
    await client.write(head('POST', url, { ...expects, ...TEN, 'Content-Type': type }))
    await client.until(/100 Continue/)
    await client.write('x'.repeat(10))
    await client.until(/HTTP\/1\.1 [^1]/)
    client.fin()
    const { text } = await client.closed
    t.equal(text.split(CONTINUE).length - 1, 1)
    t.match(onlyAnswer({ text }), answer)
    await app.close()
  })
}

t.test('the 100 does not wait longer than half a second for a hook', async (t) => {
  const { app, port, records } = await guardedApp({ guard, routes })
  const client = new RawClient(port)
  const began = performance.now()
  await client.write(head('POST', '/', { ...expects, ...TEN, 'X-Wait': DEFERRAL * 2, Connection: 'close' }))
  await client.until(/100 Continue/)
  const waited = performance.now() - began
  t.ok(waited >= DEFERRAL - SLACK && waited < DEFERRAL * 2 - 100, `${waited} ms`)
  await client.write('x'.repeat(10))
  t.match(onlyAnswer(await client.closed), { statusCode: 200, body: '10 bytes' })
  t.same(records, [])
  await app.close()
})

for (const [name, own, headers, statusCode] of [
  ['is too large for its route', { bodyLimit: 9 }, TEN, 413],
  ['has no length, where one is required', { requireContentLength: true }, { 'Content-Type': 'text/plain', 'Transfer-Encoding': 'chunked' }, 411],
  ['is refused by a hook', {}, { ...TEN, Authorization: 'wrong' }, 401]
] as const) {
  t.test(`a request that ${name} gets no 100, however long a hook takes`, async (t) => {
    const { app, port } = await guardedApp({ guard: { ...guard, ...own }, routes })
    const client = new RawClient(port)
    const slow = { 'X-Wait': statusCode === 401 ? HOOK : DEFERRAL * 2 }
    await client.write(head('POST', '/', { ...expects, ...headers, ...slow }))
    const { text } = await client.closed
    t.notMatch(text, /100 Continue/)
    t.equal(onlyAnswer({ text }).statusCode, statusCode)
    await app.close()
  })
}

t.test('a hook that reads the body itself gets it', async (t) => {
  const { app, port, records } = await guardedApp({
    guard,
    routes: (app) => {
      app.addContentTypeParser('application/x-stream', (_request, _payload, done) => { done(null) })
      app.addHook('onRequest', async (request) => { request.headers['x-bytes'] = String(await count(request)) })
      app.post('/', async (request) => request.headers['x-bytes'])
    }
  })
  const client = new RawClient(port)
  const began = performance.now()
  await client.write(head('POST', '/', { ...expects, 'Content-Length': 10, 'Content-Type': 'application/x-stream', Connection: 'close' }))
  await client.until(/100 Continue/)
  t.ok(performance.now() - began < DEFERRAL - 100, 'at once')
  await client.write('x'.repeat(10))
  t.match(onlyAnswer(await client.closed), { statusCode: 200, body: '10' })
  t.same(records, [])
  await app.close()
})

t.test('deferContinue: false leaves the 100 to Node, which sends it before any hook', async (t) => {
  const { app, port } = await guardedApp({ guard: { ...guard, deferContinue: false, bodyLimit: 9 }, routes })
  const client = new RawClient(port)
  const began = performance.now()
  await client.write(head('POST', '/', { ...expects, ...TEN, 'X-Wait': LIMIT / 2 }))
  await client.until(/100 Continue/)
  t.ok(performance.now() - began < LIMIT / 2, 'at once')
  t.equal(app.server.listenerCount('checkContinue'), 0)
  const { text } = await client.closed
  t.equal(onlyAnswer({ text }).statusCode, 413)
  await app.close()
})

for (const expect of ['100-continue', 'the unexpected']) {
  for (const [name, line, statusCode] of [['two Hosts', 'Host: b', 400], ['an unknown transfer coding', 'Transfer-Encoding: gzip, chunked', 501]] as const) {
    t.test(`what is refused for ${name} is not answered for its Expect: ${expect} as well`, async (t) => {
      const { app, port, recorded, records, log } = await guardedApp({ guard, routes })
      const client = new RawClient(port)
      await client.write(`POST / HTTP/1.1\r\nHost: a\r\n${line}\r\nExpect: ${expect}\r\n\r\n`)
      const { text } = await client.closed
      t.notMatch(text, /100 Continue/)
      t.match(onlyAnswer({ text }), { statusCode, json: { code: 'FST_READ_MALFORMED' } })
      await recorded()
      await app.close()
      t.match(records, [{ code: 'FST_READ_MALFORMED', statusCode, answered: true, phase: 'headers' }])
      t.equal(records.length, 1)
      t.same(noise(log), [])
    })
  }

  t.test(`a request with Expect: ${expect} that is complete too late has its 408 behind the answer that is owed, and does not keep its connection`, async (t) => {
    let answer: () => void = () => {}
    const slow = new Promise<void>((resolve) => { answer = resolve })
    const { app, port, records } = await guardedApp({
      guard: { ...guard, headersTimeout: LIMIT },
      routes: (app) => {
        routes(app)
        app.get('/slow', async () => { await slow; return 'slow' })
      }
    })
    const client = new RawClient(port)
    const [first, rest] = ['POST / HTTP/1.1\r\nHo', `st: a\r\nExpect: ${expect}\r\nContent-Length: 3\r\n\r\n`]
    await client.write(head('GET', '/slow') + first)
    await until(() => app.readGuard.stats().reading.lingering === 1, 'the head has failed')
    await client.write(rest + 'xxx')
    await delay(LIMIT)
    answer()
    const { text } = await client.closed
    t.match(parseAnswers(text), [{ statusCode: 200, body: 'slow' }, { statusCode: 408 }])
    await app.close()
    t.match(records, [{ code: 'FST_READ_HEADERS_TIMEOUT', answered: true }])
    t.equal(records.length, 1)
  })
}

t.test('HTTP/1.0 knows no 100', async (t) => {
  const { app, port, records } = await guardedApp({ guard, routes })
  const client = new RawClient(port)
  await client.write('POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\n' + 'x'.repeat(10))
  const { text } = await client.closed
  t.notMatch(text, /100 Continue/)
  t.match(onlyAnswer({ text }), { statusCode: 200, body: '10 bytes' })
  await app.close()
  t.same(records, [])
})

t.test("an application's own listeners have the say", async (t) => {
  const asked: string[] = []
  const { app, port, recorded } = await guardedApp({
    guard,
    routes: (app) => {
      routes(app)
      app.server.on('checkContinue', (request, response) => {
        asked.push('checkContinue')
        response.writeContinue()
        app.server.emit('request', request, response)
      })
      app.server.on('checkExpectation', (_request, response) => {
        asked.push('checkExpectation')
        response.writeHead(418, { Connection: 'close', 'Content-Length': 0 })
        response.end()
      })
    }
  })
  const client = new RawClient(port)
  await client.write(head('POST', '/', { ...expects, ...TEN, 'X-Wait': LIMIT / 2 }))
  await client.until(/100 Continue/)
  t.match(parseAnswers((await client.closed).text), [{ statusCode: 408 }], 'the body is guarded all the same')
  const other = new RawClient(port)
  await other.write(head('POST', '/', { Expect: 'x', ...TEN }))
  t.equal(onlyAnswer(await other.closed).statusCode, 418)
  t.same(asked, ['checkContinue', 'checkExpectation'])
  t.match(await recorded(), [{ code: 'FST_READ_BODY_IDLE_TIMEOUT' }])
  await app.close()
})

for (const kind of http2Kinds) {
  const own = { expect: '100-continue', 'content-type': 'text/plain' } as const

  t.test(`${kind.name} HTTP/2: the 100 is sent after the last hook`, async (t) => {
    const { app, client, records } = await http2Parties(kind, bufferedConsumer, guard, (app) => {
      app.addHook('onRequest', async () => { await delay(HOOK) })
    })
    const began = performance.now()
    await client.write(headers(1, requestBlock('POST', '/', own)))
    await client.answer(1, ({ informational }) => informational.length > 0)
    t.ok(performance.now() - began >= HOOK - SLACK, 'after the hooks')
    t.match(client.peek(1), { informational: [100], statusCode: undefined })
    await client.write(data(1, 'x'.repeat(10), Flag.END_STREAM))
    t.match(await client.answer(1), { informational: [100], statusCode: 200, json: { bytes: 10 } })
    client.raw.fin()
    await app.close()
    t.same(records, [])
  })

  t.test(`${kind.name} HTTP/2: a refusal comes without a 100`, async (t) => {
    const { app, client, recorded } = await http2Parties(kind, bufferedConsumer, { ...guard, bodyLimit: 5, linger: false }, (app) => {
      app.addHook('onRequest', async (request, reply) => {
        if (request.headers.authorization === 'wrong') await reply.code(401).send('')
      })
    })
    await client.write(headers(1, requestBlock('POST', '/', { ...own, 'content-length': '10' })))
    t.match(await client.answer(1), { informational: [], statusCode: 413 })
    await client.write(headers(3, requestBlock('POST', '/', { ...own, authorization: 'wrong' })))
    t.match(await client.answer(3), { informational: [], statusCode: 401 })
    await client.write(headers(5, requestBlock('POST', '/', { ...own, expect: 'the unexpected' })))
    t.match(await client.answer(5), { informational: [], statusCode: 417 })
    client.raw.socket.destroy()
    await until(() => app.readGuard.stats().reading.body === 0, 'nothing is read any more')
    await app.close()
    t.match(await recorded(), [{ code: 'FST_READ_BODY_TOO_LARGE', answered: true, protocol: 'h2' }])
    t.equal((await recorded()).length, 1)
  })

  t.test(`${kind.name} HTTP/2: a policy that wants a Content-Length answers without a 100`, async (t) => {
    const { app, client, recorded } = await http2Parties(kind, bufferedConsumer, { ...guard, requireContentLength: true, linger: false })
    await client.write(headers(1, requestBlock('POST', '/', own)))
    t.match(await client.answer(1), { informational: [], statusCode: 411 })
    t.match(await recorded(), [{ code: 'FST_READ_LENGTH_REQUIRED', answered: true, received: 0 }])
    client.raw.socket.destroy()
    await app.close()
  })

  t.test(`${kind.name} HTTP/2: a client that has its 100 and sends nothing is ended by the limits`, async (t) => {
    const { app, client, recorded } = await http2Parties(kind, bufferedConsumer, { ...guard, linger: false })
    await client.write(headers(1, requestBlock('POST', '/', own)))
    t.match(await client.answer(1), { informational: [100], statusCode: 408, ended: true })
    t.match(await recorded(), [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', received: 0 }])
    client.raw.socket.destroy()
    await app.close()
  })
}
