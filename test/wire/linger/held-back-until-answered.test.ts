import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { FastifyRequest } from 'fastify'
import t from 'tap'
import { earlyRoutes, lingeringApp } from '../../support/app/early-answers.js'
import { answered, ONE_READ } from '../../support/client/answered-client.js'
import { chunk, delay, head, onlyAnswer, parseAnswers } from '../../support/client/raw-client.js'
import { until } from '../../support/oracle/until.js'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const kilobytes = 'x'.repeat(16_384)

const unanswered = [
  { name: 'a body that broke a limit', bytes: head('POST', '/', { 'Transfer-Encoding': 'chunked' }) + chunk('x'.repeat(101)) + 'fffffffff\r\n', statusCode: 413 },
  { name: 'a malformed head behind a request', bytes: head('GET', '/') + 'BAD\r\n\r\n', statusCode: 200 }
]
for (const { name, bytes, statusCode } of unanswered) {
  t.test(`before the answer is out, no more of ${name} is thrown away than after it`, async (t) => {
    const most = 1_000_000
    const slow = 500
    let thrownAway = 0
    let read = (): number => 0
    const guarded = await lingeringApp(t, false, { bodyLimit: 100, linger: { bytes: most, timeout: 60_000 } }, (app) => {
      app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
      const takeTime = async ({ raw: { socket } }: FastifyRequest): Promise<void> => {
        read = () => socket.bytesRead
        const before = read()
        await delay(slow)
        thrownAway = read() - before
      }
      app.get('/', async (request) => { await takeTime(request); return {} })
      app.post('/', (request) => request.readRawBody().catch(async (error) => { await takeTime(request); throw error }))
    })
    const client = guarded.connect()
    await client.write(bytes)
    await Promise.all([client.closed, client.flood(kilobytes)])
    t.ok(thrownAway <= most + 2 * ONE_READ, `${thrownAway} bytes in ${slow} ms`)
    const [answer] = parseAnswers(client.text)
    t.equal(answer?.statusCode, statusCode)
    t.ok(read() >= 2 * most, 'what was held back is lingered on')
    t.equal(guarded.lingered(), 1)
  })
}

t.test('a connection on which no more is read waits for its answer no longer than lingering may take', async (t) => {
  for (const { bytes } of unanswered) {
    const guarded = await lingeringApp(t, false, { bodyLimit: 100, linger: { bytes: 100_000, timeout: 300 } }, (app) => {
      app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
      app.get('/', () => new Promise(() => {}))
      app.post('/', (request) => request.readRawBody().catch(() => new Promise(() => {})))
    })
    const client = guarded.connect()
    await client.write(bytes)
    await Promise.all([client.closed, client.flood(kilobytes)])
    t.equal(client.text, '')
  }
})

for (const linger of [{ bytes: 1_000_000, timeout: 60_000 }, false] as const) {
  t.test(`with \`linger: ${JSON.stringify(linger)}\` nothing is handled behind a body that failed, whoever answered it`, async (t) => {
    let served = 0
    const guarded = await lingeringApp(t, false, { bodyLimit: 100, linger }, (app) => {
      app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
      app.get('/', async () => { served++ })
      app.post('/', async (request, reply) => {
        reply.hijack()
        await request.readRawBody().catch(() => {})
        reply.raw.setHeader('Content-Type', 'application/json').end('{}')
      })
    })
    const client = guarded.connect()
    await client.write(head('POST', '/', { 'Transfer-Encoding': 'chunked' }) + chunk('x'.repeat(101)))
    await client.trickle(Array.from({ length: 20 }, () => chunk('x'.repeat(1_000))), 5)
    await client.write('0\r\n\r\n' + head('GET', '/', { Connection: 'close' }))
    await client.until(/{}$/)
    client.fin()
    await client.closed
    t.same(parseAnswers(client.text).map(({ statusCode }) => statusCode), [200])
    t.equal(served, 0)
  })
}

t.test('a request that comes after the last answer reaches nobody, and a second one is not waited for', async (t) => {
  const served: string[] = []
  const guarded = await lingeringApp(t, false, { linger: { bytes: 1e9, timeout: 60_000 } }, (app) => {
    earlyRoutes(app)
    app.addHook('onRequest', async ({ method, url }) => { served.push(`${method} ${url}`) })
  })
  let parsed = 0
  guarded.app.server.on('request', () => { parsed++ })
  const { client, socket, closed } = await answered(guarded, head('POST', '/limited', { 'Content-Type': 'application/x-stream', 'Content-Length': 101 }))
  await client.write('x'.repeat(101) + head('POST', '/unread', { 'Content-Length': 100_000 }) + 'x'.repeat(99_999))
  await until(() => parsed === 2, 'it was parsed')
  await client.write('x')
  await guarded.sockets.haveRead(client)
  await delay(50) // nothing happens
  t.notOk(socket.destroyed)
  t.equal(guarded.lingering(), 1)
  await Promise.all([closed, client.flood(head('GET', '/').repeat(500))])
  t.ok(parsed < 2 + ONE_READ / head('GET', '/').length, `${parsed} were parsed, those that came in one read`)
  t.same(served, ['POST /limited'], 'the hooks of the one that is refused')
  t.equal(onlyAnswer(client).statusCode, 413)
})

t.test('of requests that come after the last answer none is kept', async (t) => {
  const count = 400
  const guarded = await lingeringApp(t, false, { linger: { bytes: 1e9, timeout: 60_000 } })
  const requests: WeakRef<object>[] = []
  let kept = NaN
  guarded.app.server.on('request', (request) => {
    requests.push(new WeakRef(request))
    if (requests.length < 1 + count) return
    // Behind what Node puts off, and before the socket is closed. Up to the end of the microtasks a WeakRef keeps its target.
    process.nextTick(() => queueMicrotask(() => process.nextTick(() => {
      collectGarbage()
      kept = requests.filter((reference) => reference.deref() !== undefined).length
    })))
  })
  const { client, closed } = await answered(guarded, head('POST', '/limited', { 'Content-Type': 'application/x-stream', 'Content-Length': 101 }))
  await client.write('x'.repeat(101) + head('GET', '/').repeat(count))
  await closed
  t.ok(kept < count / 10, `${kept} of ${count}`)
})
