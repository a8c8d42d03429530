import http from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import proxywrap from 'findhit-proxywrap'
import t, { type Test } from 'tap'
import { guardedApp, type GuardedApp } from '../support/app/guarded-app.js'
import { chunk, head, onlyAnswer, RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'
import { ended, statuses, takeBodiesRaw } from './support.js'

t.jobs = 6

const LINE = 'PROXY TCP4 203.0.113.7 10.0.0.1 4444 80\r\n'

function routes (app: FastifyInstance): void {
  takeBodiesRaw(app)
  app.get('/', async (request) => ({ ip: request.ip }))
  app.post('/', async (request) => {
    let bytes = 0
    for await (const data of request.raw) bytes += (data as Buffer).length
    return { bytes, ip: request.ip }
  })
}

/** An application behind a balancer that says whose connection it is in a line before the first request. */
function balanced (t: Test): Promise<GuardedApp> {
  const serverFactory: NonNullable<FastifyServerOptions['serverFactory']> = (handler) => Object.assign(proxywrap.proxy(http).createServer(handler), { keepAliveTimeout: 1_500 })
  return guardedApp({ t, guard: { headersTimeout: 500, bodyIdleTimeout: 400, bodyLimit: 10, linger: { timeout: 200 } }, fastify: { serverFactory }, routes })
}

t.test('a body behind a PROXY line that stalls gets its 408, and the record has the address of the client', async (t) => {
  const { port, recorded } = await balanced(t)
  const client = new RawClient(port)
  await client.write(LINE + head('POST', '/', { 'Content-Length': 9 }) + 'hello')
  const { statusCode, json } = onlyAnswer(await ended(client))
  t.equal(statusCode, 408)
  t.equal(json['code'], 'FST_READ_BODY_IDLE_TIMEOUT')
  const [record] = await recorded()
  t.match(record, { code: 'FST_READ_BODY_IDLE_TIMEOUT', received: 5, expected: 9, answered: true, ip: '203.0.113.7' })
})

const heads = [
  ['in the request line', LINE + 'POST / HT'],
  ['in a header line', LINE + 'POST / HTTP/1.1\r\nHost: loc']
] as const

for (const [where, bytes] of heads) {
  t.test(`a head behind a PROXY line that stalls ${where} gets its 408`, async (t) => {
    const { port, recorded } = await balanced(t)
    const client = new RawClient(port)
    await client.write(bytes)
    t.equal(onlyAnswer(await ended(client)).statusCode, 408)
    const [record] = await recorded()
    t.match(record, { code: 'FST_READ_HEADERS_TIMEOUT', phase: 'headers', answered: true })
  })
}

t.test('a connection on which only the PROXY line came is ended as a head that stalls', async (t) => {
  const { port, recorded } = await balanced(t)
  const client = new RawClient(port)
  await client.write(LINE)
  t.equal(onlyAnswer(await ended(client)).statusCode, 408)
  const [record] = await recorded()
  t.match(record, { code: 'FST_READ_HEADERS_TIMEOUT', limit: 500, answered: true, remoteAddress: '203.0.113.7', remotePort: 4444 })
})

for (const [what, bytes] of [['half of the PROXY line', LINE.slice(0, 12)], ['nothing', '']] as const) {
  t.test(`a connection on which ${what} came is closed as a silent one is, without an answer`, async (t) => {
    const { port, recorded } = await balanced(t)
    const client = new RawClient(port)
    const began = performance.now()
    if (bytes !== '') await client.write(bytes)
    t.equal((await ended(client)).text, '')
    t.ok(performance.now() - began >= 1_450, 'after the longer of the two limits')
    const [record] = await recorded()
    t.match(record, { code: 'FST_READ_HEADERS_TIMEOUT', phase: 'headers', limit: 1_500, received: bytes.length, answered: false, remoteAddress: '127.0.0.1' })
  })
}

t.test('a connection that the wrapper refuses is no failed read', async (t) => {
  const { port, records, app } = await balanced(t)
  app.server.on('connection', (socket: Socket) => socket.on('error', () => {}))
  const client = new RawClient(port)
  await client.write('GET / HTTP/1.1\r\n')
  await ended(client)
  await until(() => app.readGuard.stats().reading.headers === 0, 'nothing is read')
  await new Promise((resolve) => setTimeout(resolve, 200))
  t.strictSame(records, [])
})

t.test('an application that closes does not wait for half of a PROXY line', async (t) => {
  const { port, app } = await balanced(t)
  const client = new RawClient(port)
  await client.write(LINE.slice(0, 12))
  await new Promise((resolve) => setTimeout(resolve, 100))
  const began = performance.now()
  await app.close()
  t.ok(performance.now() - began < 1_000)
})

const tooLarge = [
  ['that is declared too large', head('POST', '/', { 'Content-Length': 20 }) + 'x'.repeat(20)],
  ['that becomes too large', head('POST', '/', { 'Transfer-Encoding': 'chunked' }) + chunk('x'.repeat(20))]
] as const

for (const [what, bytes] of tooLarge) {
  t.test(`a body behind a PROXY line ${what} gets its 413`, async (t) => {
    const { port, recorded } = await balanced(t)
    const client = new RawClient(port)
    await client.write(LINE + bytes)
    t.equal(onlyAnswer(await ended(client)).statusCode, 413)
    const [record] = await recorded()
    t.match(record, { code: 'FST_READ_BODY_TOO_LARGE', limit: 10, answered: true })
  })
}

t.test('behind a PROXY line a request in two pieces is served, and so are those after it on the connection', async (t) => {
  const { port, records } = await balanced(t)
  const client = new RawClient(port)
  await client.write(LINE + 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Le')
  await client.write('ngth: 5\r\n\r\nhello')
  await client.until(/"bytes":5,"ip":"203\.0\.113\.7"/)
  await client.write(head('GET', '/'))
  await client.until(/\{"ip":"203\.0\.113\.7"\}/)
  // Between two requests nobody is judged.
  await new Promise((resolve) => setTimeout(resolve, 700))
  await client.write(head('GET', '/', { Connection: 'close' }))
  t.strictSame(statuses((await ended(client)).text), [200, 200, 200])
  t.strictSame(records, [])
})

t.test('a later request on a connection that began with a PROXY line is judged as the first is', async (t) => {
  const { port, recorded } = await balanced(t)
  const client = new RawClient(port)
  await client.write(LINE + head('GET', '/'))
  await client.until(/203/)
  await client.write(head('POST', '/', { 'Content-Length': 9 }) + 'hel')
  t.strictSame(statuses((await ended(client)).text), [200, 408])
  const [record] = await recorded()
  t.match(record, { code: 'FST_READ_BODY_IDLE_TIMEOUT', received: 3 })
})

t.test('a client that leaves in the middle of a body behind a PROXY line is recorded', async (t) => {
  const { port, recorded } = await balanced(t)
  const client = new RawClient(port)
  await client.write(LINE + head('POST', '/', { 'Content-Length': 9 }) + 'hello')
  await new Promise((resolve) => setTimeout(resolve, 100))
  client.rst()
  const [record] = await recorded()
  t.match(record, { code: 'FST_READ_ABORTED', phase: 'body', received: 5, ip: '203.0.113.7' })
})
