import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { ownProcess, type OwnProcess } from '../support/app/own-process.js'
import { head, parseAnswers, RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'

/*
 * A process that may open no other file, by its connections (`ulimit -n`) or by files of its own: the guard's limits are what gives it back
 * what slow clients hold.
 */

t.jobs = 2

/** Node itself has about 30 open. */
const FILES = 90
const SLOW = 200
const LIMIT = 1_500
const guard = { handshakeTimeout: LIMIT, headersTimeout: LIMIT, bodyIdleTimeout: LIMIT, resolution: 50 }

/** A good client that comes again until it is served; with what it got, and after how long. */
async function served (port: number, tls: boolean): Promise<number> {
  const begun = performance.now()
  await until(async () => {
    const client = new RawClient(port, { tls })
    await client.write(head('GET', '/', { Connection: 'close' }))
    const { text } = await client.closed
    return text !== '' && parseAnswers(text)[0]?.statusCode === 200
  }, 'a good client is served')
  return performance.now() - begun
}

async function expectRecovery (t: Test, server: OwnProcess, tls: boolean): Promise<void> {
  for (let i = 0; i < 5; i++) t.ok(await served(server.port, tls) < LIMIT, 'a good client is served at once')
  await until(async () => Object.values((await server.facts()).reading).every((count) => count === 0), 'nothing is read any more', 5_000)
  t.equal(await server.end(), 0)
  t.equal(server.stderr(), '')
}

for (const protocol of ['http', 'https'] as const) {
  t.test(`slow clients that take all files of a process are ended by the limits, and good ones are served again, over ${protocol}`, async (t) => {
    const tls = protocol === 'https'
    const server = await ownProcess(t, { protocol, guard }, { files: FILES })
    const early = new RawClient(server.port, { tls })
    await early.ready()
    await early.write(head('GET', '/'))
    await early.until(/fine/)
    const begun = performance.now()
    const slow = Array.from({ length: SLOW }, () => new RawClient(server.port, { tls }))
    for (const client of slow) client.write('GET / HTTP/1.1\r\nHo')
    // Some are held, and the others find no place.
    await until(async () => {
      const { headers, handshake } = (await server.facts()).reading
      return (headers ?? 0) + (handshake ?? 0) >= 20
    }, 'many are read')
    await early.write(head('GET', '/'))
    await early.until(/fine.*fine/s)
    t.pass('a good client that was there before is served meanwhile')
    const seen = await Promise.all(slow.map(({ closed }) => closed))
    t.ok(performance.now() - begun < LIMIT * 4, `all are at their end after ${Math.round(performance.now() - begun)} ms`)
    const answered = seen.filter(({ text }) => text !== '')
    t.ok(answered.every(({ text }) => parseAnswers(text)[0]?.statusCode === 408))
    const { records } = await server.facts()
    const slowOnes = records.filter(({ blame }) => blame === 'client_slow')
    t.equal(slowOnes.filter(({ answered }) => answered).length, answered.length, `${answered.length} of ${SLOW} have their answer, and each a record`)
    t.ok(answered.length >= 20)
    t.strictSame(new Set(slowOnes.map(({ code }) => code)), new Set(['FST_READ_HEADERS_TIMEOUT']))
    early.rst()
    await expectRecovery(t, server, tls)
  })
}

t.test('a handler that finds no file open fails by itself, and no client is blamed', async (t) => {
  const server = await ownProcess(t, { protocol: 'http', guard }, { files: FILES })
  const [first, good, slow] = Array.from({ length: 3 }, () => new RawClient(server.port))
  if (first === undefined || good === undefined || slow === undefined) throw new Error('three clients')
  // A connection has its file once it is accepted.
  for (const client of [first, good, slow]) {
    await client.write(head('GET', '/'))
    await client.until(/fine$/)
  }
  await first.write(head('GET', '/exhaust'))
  await first.until(/EMFILE/)
  const upload = head('POST', '/file', { 'Content-Type': 'application/x-stream', 'Content-Length': 6 })
  await slow.write(upload + 'abc')
  for (let round = 1; round <= 3; round++) {
    await good.write(`${upload}abc`)
    await delay(50)
    await good.write('def')
    await until(() => parseAnswers(good.text).length === 1 + round, 'it is answered')
  }
  t.strictSame(parseAnswers(good.text).slice(1).map(({ statusCode, json }) => [statusCode, json.code]), Array.from({ length: 3 }, () => [500, 'EMFILE']))
  t.equal(parseAnswers((await slow.closed).text)[1]?.statusCode, 408)
  const { records } = await server.facts()
  t.match(records, [{ code: 'FST_READ_BODY_IDLE_TIMEOUT' }])
  t.equal(records.length, 1, 'the slow one has the only record')
  good.fin()
  first.fin()
  t.equal(await server.end(), 0)
})
