import t from 'tap'
import type { RequestReadGuard } from '../../../lib/index.js'
import { guardedApp } from '../../support/app/guarded-app.js'
import { countBody, post, unreadApp } from '../../support/app/unread-bodies.js'
import { chunk, delay, onlyAnswer, RawClient } from '../../support/client/raw-client.js'
import { mustBeRefused, onlyRecord } from '../../support/oracle/expect-refusal.js'
import { until } from '../../support/oracle/until.js'

t.jobs = 16

const LIMIT = 400
const RESOLUTION = 50

const chunked = post({ 'Transfer-Encoding': 'chunked' })

t.test('setLimits() loosens the limits of this one read', async (t) => {
  const guarded = await unreadApp(t, (request) => {
    request.readGuard.setLimits({ bodyIdleTimeout: 0 })
    return countBody(request)
  }, { bodyIdleTimeout: LIMIT })
  const client = new RawClient(guarded.port)
  await client.write(post({ 'Content-Length': 2 }) + 'a')
  await delay(LIMIT * 2)
  await client.write('b')
  t.equal(onlyAnswer(await client.closed).statusCode, 200)
  t.strictSame(guarded.records, [])
})

/** Limits that are set after a while: which of them ends a body that comes to a halt, and when. */
const tightened: ReadonlyArray<readonly [name: string, changes: Parameters<RequestReadGuard['setLimits']>[0], code: string, limit: number]> = [
  ['bodyTimeout, against which the time before counts', { bodyTimeout: LIMIT }, 'FST_READ_BODY_TIMEOUT', LIMIT],
  ['bodyIdleTimeout', { bodyIdleTimeout: LIMIT }, 'FST_READ_BODY_IDLE_TIMEOUT', LIMIT],
  ['minBodyRate, with a grace of its own', { minBodyRate: { bytesPerSecond: 10_000, gracePeriod: LIMIT } }, 'FST_READ_BODY_TOO_SLOW', 10_000]
]

for (const [name, changes, code, limit] of tightened) {
  t.test(`setLimits() tightens ${name}`, async (t) => {
    const guarded = await unreadApp(t, countBody)
    const client = new RawClient(guarded.port)
    await client.write(post({ 'Content-Length': 10 }) + 'abc')
    const { readGuard } = await guarded.begun
    const before = LIMIT / 2
    await until(() => readGuard.elapsed >= before, 'some time of the client\'s')
    const then = readGuard.elapsed
    readGuard.setLimits(changes)
    t.match(readGuard.limits, changes)
    mustBeRefused(t, await client.closed, 408, 'Request Timeout', code)
    const { elapsed, ...record } = await onlyRecord(t, guarded, 'warn')
    t.match(record, { code, limit, received: 3, expected: 10, answered: true })
    const due = code === 'FST_READ_BODY_TOO_SLOW' ? then + LIMIT : LIMIT
    t.ok(elapsed >= due - 1 && elapsed < due + 4 * RESOLUTION, `${elapsed}, due at ${due}`)
  })
}

t.test('setLimits() with a time that has passed already ends the read at the next look', async (t) => {
  const guarded = await unreadApp(t, countBody)
  const client = new RawClient(guarded.port)
  await client.write(post({ 'Content-Length': 10 }) + 'abc')
  const { readGuard } = await guarded.begun
  await until(() => readGuard.elapsed >= 200, 'some time of the client\'s')
  readGuard.setLimits({ bodyTimeout: 100 })
  mustBeRefused(t, await client.closed, 408, 'Request Timeout', 'FST_READ_BODY_TIMEOUT', 'The request body took longer than 100 ms')
  await onlyRecord(t, guarded, 'warn')
})

t.test('setLimits() with a bodyLimit ends what is larger already, and what is declared larger', async (t) => {
  for (const request of [chunked + chunk('x'.repeat(20)), post({ 'Content-Length': 20 }) + 'x']) {
    const guarded = await unreadApp(t, countBody)
    const client = new RawClient(guarded.port)
    await client.write(request)
    const { readGuard } = await guarded.begun
    await until(() => readGuard.received > 0, 'bytes')
    readGuard.setLimits({ bodyLimit: 10 })
    mustBeRefused(t, await client.closed, 413, 'Payload Too Large', 'FST_READ_BODY_TOO_LARGE')
    t.match(await onlyRecord(t, guarded, 'warn'), { code: 'FST_READ_BODY_TOO_LARGE', limit: 10 })
  }
})

t.test('setLimits() with a bodyLimit holds for what comes', async (t) => {
  const guarded = await unreadApp(t, (request) => {
    request.readGuard.setLimits({ bodyLimit: 10 })
    return countBody(request)
  }, { bodyLimit: 5 })
  const client = new RawClient(guarded.port)
  await client.write(chunked)
  const { readGuard } = await guarded.begun
  await client.write(chunk('x'.repeat(10)))
  await until(() => readGuard.received === 10, 'the bytes')
  t.strictSame(guarded.records, [])
  await client.write(chunk('x'))
  mustBeRefused(t, await client.closed, 413, 'Payload Too Large', 'FST_READ_BODY_TOO_LARGE')
  t.match(await onlyRecord(t, guarded, 'warn'), { limit: 10, received: 11 })
})

t.test('setLimits() with requireContentLength refuses a body that has none', async (t) => {
  const guarded = await unreadApp(t, countBody)
  const client = new RawClient(guarded.port)
  await client.write(chunked + chunk('x'))
  const { readGuard } = await guarded.begun
  readGuard.setLimits({ requireContentLength: true })
  mustBeRefused(t, await client.closed, 411, 'Length Required', 'FST_READ_LENGTH_REQUIRED')
  await onlyRecord(t, guarded, 'warn')
})

t.test('setLimits() guards a read of a route that is not guarded', async (t) => {
  const guarded = await guardedApp({
    t,
    guard: { resolution: RESOLUTION },
    routes: (app) => {
      app.addContentTypeParser('*', (_request, _payload, done) => done(null))
      app.post('/', { config: { readGuard: false } }, async (request) => {
        request.readGuard.setLimits({ bodyIdleTimeout: LIMIT })
        return request.readRawBody()
      })
    }
  })
  const client = new RawClient(guarded.port)
  await client.write(chunked + chunk('x'))
  mustBeRefused(t, await client.closed, 408, 'Request Timeout', 'FST_READ_BODY_IDLE_TIMEOUT')
  await onlyRecord(t, guarded, 'warn')
})

t.test('what is not named in setLimits() stays, and other requests keep their limits', async (t) => {
  const guarded = await unreadApp(t, countBody, { bodyTimeout: 5_000, minBodyRate: { bytesPerSecond: 3, gracePeriod: 4_000 } })
  const client = new RawClient(guarded.port)
  await client.write(post({ 'Content-Length': 2 }) + 'a')
  const { readGuard } = await guarded.begun
  const before = readGuard.limits
  readGuard.setLimits({ minBodyRate: { bytesPerSecond: 1 } })
  t.strictSame(readGuard.limits, { ...before, minBodyRate: { bytesPerSecond: 1, gracePeriod: 4_000 } })
  t.ok(Object.isFrozen(readGuard.limits))
  await client.write('b')
  t.equal(onlyAnswer(await client.closed).statusCode, 200)
  const other = await guarded.app.inject({ method: 'POST', url: '/', headers: { 'content-type': 'application/octet-stream' }, payload: 'ab' })
  t.equal(other.statusCode, 200)
  t.equal(before.bodyTimeout, 5_000)
})

const wrong: ReadonlyArray<readonly [name: string, changes: unknown, message: RegExp]> = [
  ['a negative time', { bodyTimeout: -1 }, /^setLimits\(\): bodyTimeout must be an integer of milliseconds/],
  ['an option of the plugin', { headersTimeout: 5 }, /^setLimits\(\): .*headersTimeout.* is an option of the plugin, not of a route/],
  ['an unknown option', { bodyTimout: 5 }, /bodyTimout/],
  ['no object', 5, /^setLimits\(\): changes must be a plain object/]
]

for (const [name, changes, message] of wrong) {
  t.test(`setLimits() throws on ${name}, and nothing changes`, async (t) => {
    const guarded = await unreadApp(t, countBody)
    const client = new RawClient(guarded.port)
    await client.write(post({ 'Content-Length': 2 }) + 'a')
    const { readGuard } = await guarded.begun
    const { limits } = readGuard
    t.throws(() => readGuard.setLimits(changes as Parameters<RequestReadGuard['setLimits']>[0]), { code: 'FST_READ_OPTIONS_INVALID', message })
    t.equal(readGuard.limits, limits)
    await client.write('b')
    t.equal(onlyAnswer(await client.closed).statusCode, 200)
    t.strictSame(guarded.records, [])
  })
}

t.test('setLimits() after the end is without effect', async (t) => {
  const guarded = await unreadApp(t, countBody)
  const client = new RawClient(guarded.port)
  await client.write(post({ 'Content-Length': 2 }) + 'ab')
  const { readGuard } = await guarded.begun
  t.equal(onlyAnswer(await client.closed).statusCode, 200)
  t.doesNotThrow(() => readGuard.setLimits({ bodyLimit: 1, bodyTimeout: 1 }))
  await delay(3 * RESOLUTION)
  t.strictSame(guarded.records, [])
})
