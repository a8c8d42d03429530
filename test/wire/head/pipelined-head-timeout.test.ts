import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { headApp, type HeadApp, HEADERS_TIMEOUT } from '../../support/app/header-limits.js'
import { delay, head, parseAnswers, RawClient } from '../../support/client/raw-client.js'
import { mustBeRefused, mustBeTimely, onlyRecord } from '../../support/oracle/expect-refusal.js'
import { serverSockets } from '../../support/oracle/server-state.js'
import { until } from '../../support/oracle/until.js'

t.jobs = 8

/** How long the slow handler takes: longer than a head may. */
const SLOW = HEADERS_TIMEOUT * 3

function slowly (app: FastifyInstance): void {
  app.get('/slow', async (request) => {
    await delay(SLOW)
    return { slow: request.id, padding: 'x'.repeat(100_000) }
  })
}

function slowApp (t: Test): Promise<HeadApp> {
  return headApp(t, { linger: { timeout: 300 } }, { routes: slowly })
}

const get = head('GET', '/')
const getSlow = head('GET', '/slow')
const PARTIAL = 'GET / HTTP/1.1\r\nHo'

/** What fails while an earlier answer is owed, and how it is recorded. */
const failing = [
  ['a head stalls', PARTIAL, 'FST_READ_HEADERS_TIMEOUT', PARTIAL.length, 408],
  ['a head is malformed', 'NOT HTTP\r\n\r\n', 'FST_READ_MALFORMED', 12, 400],
  ['a head is too large', `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}`, 'FST_READ_HEADERS_TOO_LARGE', 20_019, 431]
] as const

for (const pending of [1, 3]) {
  t.test(`with ${pending} earlier answers pending`, async (t) => {
    t.jobs = failing.length
    for (const [name, bytes, code, received, statusCode] of failing) {
      t.test(`${name}: they go out whole, then its own answer, and the connection closes`, async (t) => {
        const guarded = await slowApp(t)
        const sockets = serverSockets(guarded.app)
        const client = new RawClient(guarded.port)
        await client.write(getSlow.repeat(pending))
        await sockets.haveRead(client)
        await client.write(bytes)
        await until(() => guarded.app.readGuard.stats().reading.lingering === 1, 'the head has failed')
        t.equal(client.text, '', 'no answer that would be taken for that of an earlier request')
        const seen = await client.closed
        const answers = parseAnswers(seen.text)
        t.strictSame(answers.map(answer => answer.statusCode), [...Array<number>(pending).fill(200), statusCode])
        t.equal(answers.pop()?.json.code, code)
        const record = await onlyRecord(t, guarded, 'warn')
        t.match(record, { code, phase: 'headers', answered: true, received })
        for (const answer of answers) t.equal(answer.json.padding, 'x'.repeat(100_000))
        t.equal(seen.end, 'FIN')
        t.equal(guarded.records.length, 1)
      })
    }
  })
}

t.test('a head that is completed too late, while an earlier answer is pending, never reaches a handler', async (t) => {
  const guarded = await slowApp(t)
  const sockets = serverSockets(guarded.app)
  const client = new RawClient(guarded.port)
  await client.write(getSlow)
  await sockets.haveRead(client)
  await client.write(PARTIAL)
  await until(() => guarded.app.readGuard.stats().reading.lingering === 1, 'the head has failed')
  await client.write('st: localhost\r\n\r\n' + get)
  const seen = await client.closed
  t.strictSame(parseAnswers(seen.text).map(answer => answer.statusCode), [200, 408])
  t.equal(seen.end, 'FIN')
  t.strictSame(guarded.served, [])
  t.match(await onlyRecord(t, guarded, 'warn'), { code: 'FST_READ_HEADERS_TIMEOUT', answered: true })
})

t.test('what comes after our 408 never reaches a handler', async (t) => {
  const guarded = await headApp(t)
  const sockets = serverSockets(guarded.app)
  const client = new RawClient(guarded.port)
  client.socket.removeAllListeners('end') // it goes on sending after our FIN
  await client.write(PARTIAL)
  await client.until(/}$/)
  await client.write('st: localhost\r\n\r\n' + get)
  await client.write(head('POST', '/', { 'Content-Length': 2, 'Content-Type': 'application/json' }) + '{}')
  await sockets.haveRead(client)
  client.fin()
  mustBeRefused(t, await client.closed, 408, 'Request Timeout', 'FST_READ_HEADERS_TIMEOUT')
  t.strictSame(guarded.served, [])
  await onlyRecord(t, guarded, 'warn')
})

t.test('a complete request before the head that stalls is answered', async (t) => {
  const guarded = await headApp(t)
  const client = new RawClient(guarded.port)
  await client.write(get)
  await client.until(/}$/)
  await client.write(get + PARTIAL.slice(0, 3))
  await client.until(/"served":2}/)
  await client.write(PARTIAL.slice(3))
  const answers = parseAnswers((await client.closed).text)
  t.strictSame(answers.map(answer => answer.statusCode), [200, 200, 408])
  t.strictSame(guarded.served, ['GET /', 'GET /'])
  mustBeTimely(t, (await onlyRecord(t, guarded, 'warn')).elapsed, HEADERS_TIMEOUT)
})

/** Requests whose last packet carries the first bytes of the next head as well: no later byte tells that it began. */
const unseen = [
  ['behind a head', '', get + PARTIAL],
  ['behind a body', head('POST', '/', { 'Content-Length': 2, 'Content-Type': 'application/json' }), '{}' + PARTIAL],
  ['behind a chunked body', head('POST', '/', { 'Transfer-Encoding': 'chunked', 'Content-Type': 'application/json' }), '2\r\n{}\r\n0\r\n\r\n' + PARTIAL]
] as const

t.test('a head that begins in the packet of the request before is ended by the time Node\'s own limit runs out', async (t) => {
  t.jobs = unseen.length
  for (const [name, first, last] of unseen) {
    t.test(name, async (t) => {
      const guarded = await headApp(t)
      const client = new RawClient(guarded.port)
      if (first !== '') {
        await client.write(first)
        await until(() => guarded.app.readGuard.stats().reading.body === 1, 'the body is waited for')
      }
      const began = performance.now()
      await client.write(last)
      const answers = parseAnswers((await client.closed).text)
      const took = performance.now() - began
      t.strictSame(answers.map(answer => answer.statusCode), [200, 408])
      t.match(answers[1]?.json, { code: 'FST_READ_HEADERS_TIMEOUT', message: `The request headers took longer than ${HEADERS_TIMEOUT} ms` })
      t.equal(answers[1]?.headers.connection, 'close')
      t.ok(took >= HEADERS_TIMEOUT, `${took}`)
      t.ok(took < HEADERS_TIMEOUT + 4_000, `${took}`)
      const record = await onlyRecord(t, guarded, 'warn')
      t.match(record, { code: 'FST_READ_HEADERS_TIMEOUT', answered: true, limit: HEADERS_TIMEOUT })
      t.ok(record.elapsed >= HEADERS_TIMEOUT, `${record.elapsed}`)
      t.equal(guarded.served.length, 1)
    })
  }
})

t.test('two bytes of a head, which might be a stray CRLF, are ended by the time Node\'s own limit runs out', async (t) => {
  const guarded = await headApp(t)
  const client = new RawClient(guarded.port)
  await client.write(get)
  await client.until(/}$/)
  await client.write('GE')
  const answers = parseAnswers((await client.closed).text)
  t.strictSame(answers.map(answer => answer.statusCode), [200, 408])
  t.match(await onlyRecord(t, guarded, 'warn'), { code: 'FST_READ_HEADERS_TIMEOUT', limit: HEADERS_TIMEOUT, received: 2, answered: true })
})
