import t from 'tap'
import { guardedApp } from '../../support/app/guarded-app.js'
import { countBody, post, unreadApp } from '../../support/app/unread-bodies.js'
import { chunk, delay, onlyAnswer, RawClient } from '../../support/client/raw-client.js'
import { until } from '../../support/oracle/until.js'

t.jobs = 8

t.test('request.readGuard tells how far a body is', async (t) => {
  const guarded = await unreadApp(t, countBody)
  const client = new RawClient(guarded.port)
  await client.write(post({ 'Content-Length': 10 }) + 'abc')
  const { readGuard, raw } = await guarded.begun
  await until(() => readGuard.received === 3, 'the first bytes')
  t.equal(readGuard.phase, 'body')
  t.equal(readGuard.expected, 10)
  const { elapsed } = readGuard
  t.ok(elapsed >= 0, `${elapsed}`)
  await delay(200)
  t.ok(readGuard.elapsed >= elapsed + 100, 'time passes')
  t.ok(readGuard.paused < 200, `${readGuard.paused}`)
  t.strictSame(readGuard.limits.bodyTimeout, 0)
  await client.write('defghij')
  await until(() => raw.readableEnded, 'the end')
  t.match(readGuard, { phase: undefined, received: 10, expected: 10 })
  t.equal(onlyAnswer(await client.closed).statusCode, 200)
})

t.test('expected is undefined where nothing is declared', async (t) => {
  const guarded = await unreadApp(t, countBody)
  const client = new RawClient(guarded.port)
  await client.write(post({ 'Transfer-Encoding': 'chunked' }) + chunk('abc'))
  const { readGuard } = await guarded.begun
  await until(() => readGuard.received === 3, 'the bytes, without what frames them')
  t.match(readGuard, { phase: 'body', expected: undefined })
  await client.write('0\r\n\r\n')
  t.equal(onlyAnswer(await client.closed).statusCode, 200)
  t.match(readGuard, { phase: undefined, received: 3, expected: undefined })
})

t.test('time in which the application holds back is told apart', async (t) => {
  const guarded = await guardedApp({
    t,
    guard: { resolution: 50 },
    routes: (app) => {
      app.addContentTypeParser('application/octet-stream', (_request, _payload, done) => done(null))
      app.post('/', async (request) => {
        await until(() => request.readGuard.received > 0, 'bytes')
        await delay(600)
        const { elapsed, paused } = request.readGuard
        await request.readRawBody()
        return { elapsed, paused }
      })
    }
  })
  const client = new RawClient(guarded.port)
  await client.write(post({ 'Content-Length': 8_000_000 }))
  await client.write(Buffer.alloc(8_000_000))
  const { elapsed, paused } = onlyAnswer(await client.closed).json as { elapsed: number, paused: number }
  t.ok(paused >= 400, `${paused} ms were not the client's`)
  t.ok(elapsed < 300, `${elapsed} ms were`)
})

t.test('of a request without a body there is nothing to tell, and its limits are those of the route', async (t) => {
  const guarded = await unreadApp(t, countBody, { bodyTimeout: 1_234 })
  await guarded.app.inject('/')
  const { readGuard } = await guarded.begun
  t.match(readGuard, { phase: undefined, received: 0, expected: undefined, elapsed: 0, paused: 0, limits: { bodyTimeout: 1_234 } })
  t.throws(() => readGuard.setLimits({ bodyTimeout: -1 }), { code: 'FST_READ_OPTIONS_INVALID' })
  t.doesNotThrow(() => readGuard.setLimits({ bodyTimeout: 1 }))
})
