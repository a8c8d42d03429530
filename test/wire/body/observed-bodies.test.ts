import t from 'tap'
import type { ReadGuardOptions } from '../../../lib/index.js'
import { noise } from '../../support/app/guarded-app.js'
import { LIMIT, observingApp } from '../../support/app/observed-routes.js'
import { chunk, delay, head, onlyAnswer, parseAnswers, RawClient } from '../../support/client/raw-client.js'
import { onlyRecord } from '../../support/oracle/expect-refusal.js'

t.jobs = 16

const TEXT = { 'Content-Type': 'text/plain', Connection: 'close' }

interface Broken {
  readonly name: string
  readonly guard?: ReadGuardOptions
  /** Sends a body that breaks a rule, and ends it nevertheless. */
  readonly send: (client: RawClient, url: string) => Promise<void>
  readonly code: string
  readonly received: number
  readonly body: string
}

const broken: readonly Broken[] = [
  {
    name: 'a body that pauses',
    send: async (client, url) => {
      await client.write(head('POST', url, { ...TEXT, 'Content-Length': 2 }) + 'a')
      await delay(LIMIT * 3)
      await client.write('b')
    },
    code: 'FST_READ_BODY_IDLE_TIMEOUT',
    received: 1,
    body: 'ab'
  },
  {
    name: 'a body that takes long',
    guard: { minBodyRate: false, bodyIdleTimeout: 0 },
    send: async (client, url) => {
      await client.write(head('POST', url, { ...TEXT, 'Content-Length': 2 }) + 'a')
      await delay(LIMIT * 4)
      await client.write('b')
    },
    code: 'FST_READ_BODY_TIMEOUT',
    received: 1,
    body: 'ab'
  },
  {
    name: 'a body that is slow',
    guard: { bodyTimeout: 0, bodyIdleTimeout: 0 },
    send: async (client, url) => {
      await client.write(head('POST', url, { ...TEXT, 'Content-Length': 2 }) + 'a')
      await delay(LIMIT * 4)
      await client.write('b')
    },
    code: 'FST_READ_BODY_TOO_SLOW',
    received: 1,
    body: 'ab'
  },
  {
    name: 'a body that is declared too large',
    send: (client, url) => client.write(head('POST', url, { ...TEXT, 'Content-Length': 200 }) + 'x'.repeat(200)),
    code: 'FST_READ_BODY_TOO_LARGE',
    received: 0,
    body: 'x'.repeat(200)
  },
  {
    name: 'a body that grows too large',
    send: (client, url) => client.write(head('POST', url, { ...TEXT, 'Transfer-Encoding': 'chunked' }) + chunk('x'.repeat(100)) + chunk('xx') + chunk('xx') + '0\r\n\r\n'),
    code: 'FST_READ_BODY_TOO_LARGE',
    received: 102,
    body: 'x'.repeat(104)
  },
  {
    name: 'a body without a length',
    guard: { requireContentLength: true },
    send: (client, url) => client.write(head('POST', url, { ...TEXT, 'Transfer-Encoding': 'chunked' }) + chunk('abc') + '0\r\n\r\n'),
    code: 'FST_READ_LENGTH_REQUIRED',
    received: 0,
    body: 'abc'
  }
]

for (const { name, guard, send, code, received, body } of broken) {
  for (const [where, mode, url] of [['the application', 'observe', '/'], ['its route', 'enforce', '/observed']] as const) {
    t.test(`${name} is recorded and not refused where ${where} observes`, async (t) => {
      const guarded = await observingApp(t, { ...guard, mode })
      const client = new RawClient(guarded.port)
      await send(client, url)
      t.match(onlyAnswer(await client.closed), { statusCode: 200, json: { body } })
      const record = await onlyRecord(t, guarded, 'info')
      t.match(record, { code, observed: true, answered: false, received, phase: 'body', route: url })
      t.match(guarded.app.readGuard.stats(), { aborted: {}, observed: { [code]: 1 } })
      t.strictSame(Object.keys(guarded.app.readGuard.stats().aborted), [])
      t.strictSame(guarded.handled, [])
      t.strictSame(noise(guarded.log), [])
    })
  }

  t.test(`${name} is refused on a route that enforces where the application observes`, async (t) => {
    const guarded = await observingApp(t, { ...guard, mode: 'observe' })
    const client = new RawClient(guarded.port)
    await send(client, '/enforced')
    t.match(onlyAnswer(await client.closed), { json: { code } })
    t.match(await onlyRecord(t, guarded, 'warn'), { code, observed: false, answered: true })
    t.strictSame(guarded.app.readGuard.stats().observed, {})
  })
}

t.test('a body that breaks several rules is recorded once', async (t) => {
  const guarded = await observingApp(t, { mode: 'observe' })
  const client = new RawClient(guarded.port)
  await client.write(head('POST', '/', { ...TEXT, 'Transfer-Encoding': 'chunked' }) + chunk('a'))
  await delay(LIMIT * 3)
  await client.write(chunk('x'.repeat(200)))
  await delay(LIMIT * 3)
  await client.write('0\r\n\r\n')
  t.match(onlyAnswer(await client.closed), { statusCode: 200, json: { body: `a${'x'.repeat(200)}` } })
  await onlyRecord(t, guarded, 'info')
})

t.test('every request of a connection has its own record', async (t) => {
  const guarded = await observingApp(t, { mode: 'observe' })
  const client = new RawClient(guarded.port)
  for (let i = 1; i <= 2; i++) {
    await client.write(head('POST', '/', { 'Content-Type': 'text/plain', 'Content-Length': 2 }) + 'a')
    await guarded.recorded(i)
    await client.write('b')
    await client.until(new RegExp(`(?:"body":"ab"[^]*){${i}}`))
  }
  client.fin()
  t.strictSame(parseAnswers((await client.closed).text).map(answer => answer.statusCode), [200, 200])
  t.equal(guarded.records.length, 2)
  t.strictSame(guarded.app.readGuard.stats().observed, { FST_READ_BODY_IDLE_TIMEOUT: 2 })
})
