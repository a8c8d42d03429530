import t from 'tap'
import { LIMIT, observingApp } from '../../support/app/observed-routes.js'
import { delay, head, onlyAnswer, parseAnswers, RawClient } from '../../support/client/raw-client.js'
import { onlyRecord } from '../../support/oracle/expect-refusal.js'
import { quiet } from '../../support/oracle/server-state.js'

t.jobs = 8

const TEXT = { 'Content-Type': 'text/plain', Connection: 'close' }

const heads = [
  ['a first head that stalls', ''],
  ['a later head that stalls', head('GET', '/')]
] as const

for (const [name, before] of heads) {
  t.test(`${name} is recorded once and served`, async (t) => {
    const guarded = await observingApp(t, { mode: 'observe' })
    const client = new RawClient(guarded.port)
    if (before !== '') {
      await client.write(before)
      await client.until(/}$/)
    }
    await client.write('GET / HTTP/1.1\r\n')
    await delay(LIMIT * 3)
    await client.write('Host: localhost\r\nConnection: close\r\n\r\n')
    const answers = parseAnswers((await client.closed).text)
    t.strictSame(answers.map(answer => answer.statusCode), before === '' ? [200] : [200, 200])
    t.match(await onlyRecord(t, guarded, 'info'), { code: 'FST_READ_HEADERS_TIMEOUT', observed: true, answered: false, phase: 'headers' })
    t.strictSame(guarded.app.readGuard.stats().observed, { FST_READ_HEADERS_TIMEOUT: 1 })
  })
}

t.test('a silent connection is recorded once and stays open', async (t) => {
  const guarded = await observingApp(t, { mode: 'observe' }, { keepAliveTimeout: LIMIT })
  const client = new RawClient(guarded.port)
  await guarded.recorded()
  await delay(LIMIT * 2)
  await client.write(head('GET', '/', { Connection: 'close' }))
  t.equal(onlyAnswer(await client.closed).statusCode, 200)
  t.match(await onlyRecord(t, guarded, 'debug'), { code: 'FST_READ_HEADERS_TIMEOUT', observed: true, received: 0 })
})

t.test('what strictFraming would refuse is recorded and served', async (t) => {
  const guarded = await observingApp(t, { mode: 'observe' })
  const client = new RawClient(guarded.port)
  await client.write('GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n')
  t.equal(onlyAnswer(await client.closed).statusCode, 200)
  t.match(await onlyRecord(t, guarded, 'info'), { code: 'FST_READ_MALFORMED', observed: true, answered: false, phase: 'headers', statusCode: 400 })
})

t.test('what Node itself refuses, and what a client ends, is no observation', async (t) => {
  const guarded = await observingApp(t, { mode: 'observe' })
  const malformed = new RawClient(guarded.port)
  await malformed.write('NOT HTTP\r\n\r\n')
  t.equal(onlyAnswer(await malformed.closed).statusCode, 400)
  const left = new RawClient(guarded.port)
  await left.write(head('POST', '/', { ...TEXT, 'Content-Length': 5 }) + 'abc')
  left.fin()
  await left.closed
  await guarded.recorded(2)
  t.match(guarded.records, [
    { code: 'FST_READ_MALFORMED', observed: false, answered: true },
    { code: 'FST_READ_ABORTED', observed: false, answered: false, received: 3, expected: 5 }
  ])
  t.equal(guarded.records.length, 2)
})

t.test('a client that leaves in a head or a body that was recorded is not recorded again', async (t) => {
  const guarded = await observingApp(t, { mode: 'observe' })
  const rows = ['GET / HT', head('POST', '/', { ...TEXT, 'Content-Length': 5 }) + 'abc']
  for (const [i, bytes] of rows.entries()) {
    const client = new RawClient(guarded.port)
    await client.write(bytes)
    await guarded.recorded(i + 1)
    client.fin()
    await client.closed
  }
  await quiet(guarded.app)
  t.match(guarded.records, [{ code: 'FST_READ_HEADERS_TIMEOUT' }, { code: 'FST_READ_BODY_IDLE_TIMEOUT' }])
  t.equal(guarded.records.length, 2)
})

t.test('Node\'s own headersTimeout is left as it was', async (t) => {
  const observing = await observingApp(t, { mode: 'observe' })
  t.equal(observing.app.server.headersTimeout, 60_000)
  const enforcing = await observingApp(t, {})
  t.equal(enforcing.app.server.headersTimeout, LIMIT + 1_000)
})
