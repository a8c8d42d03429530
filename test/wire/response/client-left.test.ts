import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { guardedApp, noise, type GuardedApp, type GuardedAppWith } from '../../support/app/guarded-app.js'
import { LARGE, responseRoutes, type ResponseFacts } from '../../support/app/response-routes.js'
import { transport } from '../../support/app/transport.js'
import { delay, head, parseAnswers, RawClient } from '../../support/client/raw-client.js'
import { deserted } from '../../support/oracle/server-state.js'
import { until } from '../../support/oracle/until.js'

/*
 * Clients that leave when their request has come whole.
 */

t.jobs = 8

type Guarded = GuardedAppWith<ResponseFacts>

function start (t: Test, options: Parameters<typeof guardedApp>[0] = {}): Promise<Guarded> {
  return guardedApp<ResponseFacts>({ ...options, t, guard: { resolution: 50, ...options.guard }, routes: responseRoutes })
}

const BODY = '"ab"'

/** A whole request. */
function request (method: string, url: string): string {
  return method === 'POST' ? head('POST', url, { 'Content-Type': 'application/json', 'Content-Length': BODY.length }) + BODY : head(method, url)
}

const leaving: Readonly<Record<string, (client: RawClient) => void>> = {
  'a FIN': (client) => { client.socket.destroy() },
  'an RST': (client) => { client.rst() }
}

/** A client whose request is with its handler. */
async function waiting ({ port, begun }: Guarded, bytes: string, handlers = 1): Promise<RawClient> {
  const client = new RawClient(port)
  await client.write(bytes)
  await until(() => begun.length >= handlers, 'the handler works')
  return client
}

/** The line that Fastify writes last. */
function lastLines ({ log }: Guarded): unknown[] {
  return log.filter(({ msg }) => msg === 'request completed').map(({ res }) => (res as { statusCode: number }).statusCode)
}

const gone = { code: 'FST_READ_RESPONSE_ABORTED', reason: 'response_aborted', blame: 'client_gone', answered: false, observed: false, limit: undefined, protocol: 'http/1.1', remoteAddress: '127.0.0.1', ip: '127.0.0.1' } as const

for (const [how, leave] of Object.entries(leaving)) {
  for (const method of ['GET', 'POST']) {
    for (const url of ['/slow', '/hijacked']) {
      t.test(`a client of ${method} ${url} that leaves with ${how} while the handler works has one record, and the status of one that left`, async (t) => {
        const guarded = await start(t)
        const client = await waiting(guarded, request(method, url))
        const { localPort } = client.socket
        await delay(100)
        leave(client)
        const [record] = await guarded.recorded()
        t.hasStrict(record, { ...gone, phase: 'handler', statusCode: 499, sent: undefined, method, url, route: url, reqId: guarded.begun[0]?.id, remotePort: localPort, tls: transport.tls })
        t.hasStrict(record, method === 'POST' ? { received: BODY.length, expected: BODY.length } : { received: 0, expected: undefined })
        t.ok(record !== undefined && record.elapsed >= 95, `${record?.elapsed} ms: since the request came`)
        await until(() => guarded.outcomes.length === 1, 'onResponse')
        t.strictSame(guarded.outcomes, [{ url, statusCode: 499, rawStatusCode: 499 }])
        t.strictSame(lastLines(guarded), [499])
        guarded.answer()
        for (const response of guarded.hijacked) response.end('late')
        await deserted(guarded.app)
        await delay(50)
        t.equal(guarded.records.length, 1, 'exactly one')
        t.equal(guarded.outcomes.length, 1, 'onResponse runs once')
        t.strictSame(noise(guarded.log), [])
        t.strictSame([guarded.onError, guarded.handled], [[], []], 'it is no error of the application')
      })
    }

    for (const url of ['/large', '/endless']) {
      t.test(`a client of ${method} ${url} that leaves with ${how} before it has its response has one record, and the status that was sent`, async (t) => {
        const guarded = await start(t)
        const client = new RawClient(guarded.port)
        await client.write(request(method, url))
        await client.until(/\r\n\r\n/)
        client.socket.pause()
        // The window fills up.
        await delay(200)
        leave(client)
        const [record] = await guarded.recorded()
        t.hasStrict(record, { ...gone, phase: 'response', statusCode: 499, method, url, route: url })
        t.ok(record?.sent !== undefined && record.sent > 50_000 && (url === '/endless' || record.sent < LARGE), `${record?.sent} bytes were taken`)
        if (url === '/endless') {
          await until(() => guarded.destroyed.length === 1, 'the stream is released')
        } else {
          const { reason } = guarded.begun[0]?.readGuard.signal ?? {}
          t.equal((reason as Error).message, `The client left before it had the response: ${record?.sent} bytes were taken, of a body of ${LARGE} and its head`)
        }
        await until(() => guarded.outcomes.length === 1, 'onResponse')
        t.strictSame(guarded.outcomes, [{ url, statusCode: 200, rawStatusCode: 200 }])
        await deserted(guarded.app)
        t.equal(guarded.records.length, 1, 'exactly one')
      })
    }
  }

  t.test(`a client that leaves with ${how} while a response that has begun is silent has one record`, async (t) => {
    const guarded = await start(t)
    const client = new RawClient(guarded.port)
    await client.write(request('GET', '/waits'))
    await client.until(/begun/)
    leave(client)
    const [record] = await guarded.recorded()
    t.hasStrict(record, { ...gone, phase: 'response', statusCode: 499 })
    t.ok(record?.sent !== undefined && record.sent > 0)
    await until(() => guarded.destroyed.length === 1, 'the stream is released')
    await deserted(guarded.app)
    t.equal(guarded.records.length, 1)
  })

  t.test(`of a client that leaves with ${how}, each of its requests that was owed an answer has a record`, async (t) => {
    const guarded = await start(t)
    const client = await waiting(guarded, request('GET', '/fast') + request('GET', '/slow') + request('POST', '/slow') + request('GET', '/slow'), 4)
    await client.until(/fast$/)
    leave(client)
    await guarded.recorded(3)
    await until(() => guarded.outcomes.length === 4, 'onResponse of all')
    await deserted(guarded.app)
    t.strictSame(guarded.records.map(({ code, phase, method, reqId }) => [code, phase, method, reqId]), [
      ['FST_READ_RESPONSE_ABORTED', 'handler', 'GET', 'req-2'],
      ['FST_READ_RESPONSE_ABORTED', 'handler', 'POST', 'req-3'],
      ['FST_READ_RESPONSE_ABORTED', 'handler', 'GET', 'req-4']
    ], 'in their order')
    t.strictSame(guarded.outcomes.map(({ statusCode }) => statusCode), [200, 499, 499, 499])
  })

  for (const url of ['/events', '/streamed-events']) {
    t.test(`a client that leaves ${url} with ${how} has had it`, async (t) => {
      const guarded = await start(t)
      const client = new RawClient(guarded.port)
      await client.write(request('GET', url))
      await client.until(/data: 1/)
      leave(client)
      await deserted(guarded.app)
      await delay(100)
      t.strictSame(guarded.records, [])
      const signal = guarded.begun[0]?.readGuard.signal
      t.match(signal, { aborted: true, reason: { code: 'FST_READ_RESPONSE_ABORTED' } }, 'its handler is told to stop')
      t.strictSame(guarded.outcomes, [{ url, statusCode: 200, rawStatusCode: 200 }])
    })
  }

  t.test(`a client that leaves with ${how} when it has its answer has no record`, async (t) => {
    const guarded = await start(t)
    for (const method of ['GET', 'POST', 'HEAD']) {
      const client = new RawClient(guarded.port)
      await client.write(request(method, '/fast'))
      await client.until(method === 'HEAD' ? /\r\n\r\n/ : /fast$/)
      leave(client)
    }
    await deserted(guarded.app)
    t.strictSame(guarded.records, [])
    t.strictSame(guarded.outcomes.map(({ statusCode }) => statusCode), [200, 200, 200])
  })
}

t.test('a stream that is sent after the client has left is released', async (t) => {
  const released: unknown[] = []
  let answer = (): void => {}
  let begun = false
  const guarded = await guardedApp({
    t,
    guard: { resolution: 50 },
    routes: (app) => {
      app.get('/', async () => {
        begun = true
        await new Promise<void>((resolve) => { answer = resolve })
        const stream = new Readable({ read () {} })
        return stream.on('close', () => { released.push(stream.errored) })
      })
    }
  })
  const client = new RawClient(guarded.port)
  await client.write(request('GET', '/'))
  await until(() => begun, 'the handler works')
  client.rst()
  await guarded.recorded()
  answer()
  await until(() => released.length === 1, 'it is released')
  t.match(released, [{ code: 'FST_READ_RESPONSE_ABORTED' }])
  t.equal(guarded.records.length, 1)
  t.strictSame([noise(guarded.log), guarded.onError], [[], []])
})

t.test('abortStatusCode stands in the place of 499', async (t) => {
  const guarded = await start(t, { guard: { abortStatusCode: 460 } })
  const client = await waiting(guarded, request('GET', '/slow'))
  client.rst()
  t.match(await guarded.recorded(), [{ statusCode: 460 }])
  await until(() => guarded.outcomes.length === 1, 'onResponse')
  t.strictSame(guarded.outcomes, [{ url: '/slow', statusCode: 460, rawStatusCode: 460 }])
  t.strictSame(lastLines(guarded), [460])
})

t.test('a record is no refusal: it is the same in observe, and a route that is not guarded has none', async (t) => {
  const guarded = await guardedApp<ResponseFacts>({
    t,
    guard: { resolution: 50, mode: 'observe' },
    routes: (app) => {
      const facts = responseRoutes(app)
      app.get('/unguarded', { config: { readGuard: false } }, () => new Promise(() => {}))
      return facts
    }
  })
  for (const [url, handlers] of [['/slow', 1], ['/unguarded', 2]] as const) {
    const client = await waiting(guarded, request('GET', url), handlers)
    client.rst()
    await until(() => guarded.outcomes.length === handlers, 'onResponse')
  }
  t.match(guarded.records, [{ ...gone, phase: 'handler', url: '/slow' }])
  t.equal(guarded.records.length, 1)
  t.strictSame(guarded.outcomes.map(({ statusCode }) => statusCode), [499, 499])
  t.equal(guarded.begun[1]?.readGuard.signal.aborted, true)
})

t.test('what the application ends itself is no client that left', async (t) => {
  const guarded = await guardedApp<ResponseFacts>({
    t,
    routes: (app) => {
      const facts = responseRoutes(app)
      app.get('/raw', (_request, reply) => { reply.raw.destroy() })
      app.get('/error', (_request, reply) => { reply.raw.destroy(new Error('mine')) })
      app.get('/socket', (request) => { request.raw.socket.destroy() })
      app.get('/reset', (request) => { request.raw.socket.resetAndDestroy() })
      app.get('/half', (_request, reply) => {
        reply.hijack()
        reply.raw.write('half')
        reply.raw.destroy()
      })
      return facts
    }
  })
  // A TLS socket can't be reset.
  for (const url of ['/raw', '/error', '/socket', '/half', ...transport.tls ? [] : ['/reset']]) {
    const client = new RawClient(guarded.port)
    await client.write(request('GET', url))
    await client.closed
  }
  await deserted(guarded.app)
  t.strictSame(guarded.records, [])
})

t.test('closing the application makes no records', async (t) => {
  const guarded = await start(t, { fastify: { forceCloseConnections: true } })
  const slow = await waiting(guarded, request('GET', '/slow'))
  const endless = new RawClient(guarded.port)
  await endless.write(request('GET', '/endless'))
  await endless.until(/\r\n\r\n/)
  endless.socket.pause()
  await guarded.app.close()
  endless.socket.destroy()
  await slow.closed
  t.strictSame(guarded.records, [])
})

t.test('of two requests the second is told of as well where the first was taken whole', async (t) => {
  const guarded = await start(t)
  const client = await waiting(guarded, request('GET', '/fast'))
  await client.until(/fast$/)
  await client.write(request('POST', '/slow'))
  await until(() => guarded.begun.length === 2, 'the handler works')
  client.rst()
  t.match(await guarded.recorded(), [{ ...gone, phase: 'handler', url: '/slow', reqId: guarded.begun[1]?.id }])
  await deserted(guarded.app)
  t.equal(guarded.records.length, 1)
})

t.test('a client that ends its side behind its request gets its answer', { skip: transport.tls }, async (t) => {
  const guarded = await start(t)
  for (const method of ['GET', 'POST']) {
    const clients = ['/fast', '/slow', '/slow'].map((url) => {
      const client = new RawClient(guarded.port)
      client.socket.write(request(method, url))
      client.socket.end()
      return client
    })
    await delay(300)
    guarded.answer()
    for (const [index, client] of clients.entries()) {
      const { text, end } = await client.closed
      t.strictSame(parseAnswers(text).map(({ statusCode, body }) => [statusCode, body]), [[200, index === 0 ? 'fast' : 'late']])
      t.equal(end, 'FIN')
    }
  }
  await deserted(guarded.app)
  t.strictSame(guarded.records, [])
  t.ok(guarded.outcomes.every(({ statusCode }) => statusCode === 200))
})

/** A response that begins at once, and is more than what the kernel takes: its client may have ended its side before or after that. */
function streaming (t: Test, silentAfter = Infinity): Promise<GuardedApp> {
  function * pieces (): Generator<Buffer> {
    for (let sent = 0; sent < LARGE; sent += 100_000) yield Buffer.alloc(100_000, 'x')
  }
  async function * silent (): AsyncGenerator<Buffer> {
    yield Buffer.alloc(silentAfter, 'x')
    await new Promise(() => {})
  }
  return guardedApp({
    t,
    guard: { resolution: 50 },
    routes: (app) => { app.get('/', (_request, reply) => { reply.send(Readable.from(silentAfter === Infinity ? pieces() : silent())) }) }
  })
}

for (const version of ['1.0', '1.1']) {
  t.test(`a client that ends its side behind its request gets all of a stream that has begun, over HTTP/${version}`, { skip: transport.tls }, async (t) => {
    const { app, port, records, log } = await streaming(t)
    const client = new RawClient(port)
    client.socket.end(`GET / HTTP/${version}\r\nHost: localhost\r\n\r\n`)
    const { text, end } = await client.closed
    t.ok(text.length >= LARGE, `${text.length} bytes`)
    if (version === '1.1') t.ok(text.endsWith('\r\n0\r\n\r\n'), 'and its end')
    t.equal(end, 'FIN')
    await deserted(app)
    t.strictSame(records, [])
    t.strictSame(noise(log), [])
  })
}

t.test('a client that has ended its side and goes in the middle of a stream has left', { skip: transport.tls }, async (t) => {
  const { app, port, recorded, records } = await streaming(t)
  const client = new RawClient(port)
  client.socket.end(head('GET', '/'))
  await client.until(/x{10000}/)
  client.socket.pause()
  await delay(200)
  client.socket.destroy()
  t.match(await recorded(), [{ ...gone, phase: 'response' }])
  await deserted(app)
  t.equal(records.length, 1)
})

t.test('a client that has ended its side, of a stream that has begun and falls silent, has left: nothing would tell of it', { skip: transport.tls }, async (t) => {
  const { app, port, recorded, records } = await streaming(t, 10_000_000)
  const client = new RawClient(port)
  client.socket.end(head('GET', '/'))
  await until(() => client.text.length > 10_000_000, 'it has what there is')
  t.match(await recorded(), [{ ...gone, phase: 'response' }])
  await deserted(app)
  t.equal(records.length, 1)
  await client.closed
})

t.test('pipelined requests before the end of the client\'s side are answered all', { skip: transport.tls }, async (t) => {
  const guarded = await start(t)
  const client = await waiting(guarded, request('GET', '/slow') + request('POST', '/slow') + request('GET', '/fast'), 3)
  client.fin()
  await delay(200)
  guarded.answer()
  const { text } = await client.closed
  t.strictSame(parseAnswers(text).map(({ body }) => body), ['late', 'late', 'fast'])
  await deserted(guarded.app)
  t.strictSame(guarded.records, [])
})

t.test('what is behind an answer that closes the connection is not answered, and its client has not left', { skip: transport.tls }, async (t) => {
  const guarded = await guardedApp<ResponseFacts>({
    t,
    guard: { resolution: 50 },
    routes: (app) => {
      app.all('/last', async (_request, reply) => {
        await delay(20)
        return await reply.header('Connection', 'close').send('last')
      })
      return responseRoutes(app)
    }
  })
  for (const endsItsSide of [true, false]) {
    for (const before of ['', request('POST', '/fast')]) {
      const client = new RawClient(guarded.port)
      await client.write(before + request('GET', '/last') + request('GET', '/slow') + request('POST', '/slow'))
      if (endsItsSide) client.fin()
      const { text } = await client.closed
      t.strictSame(parseAnswers(text).map(({ body }) => body), before === '' ? ['last'] : ['fast', 'last'])
    }
  }
  await deserted(guarded.app)
  t.strictSame(guarded.records, [])
})

t.test('a client of HTTP/1.0 can\'t be asked whether it is there: it has left where it has ended its side', { skip: transport.tls }, async (t) => {
  const guarded = await start(t)
  const client = await waiting(guarded, 'GET /slow HTTP/1.0\r\n\r\n')
  client.fin()
  t.match(await guarded.recorded(), [{ ...gone, phase: 'handler' }])
  await client.closed
})
