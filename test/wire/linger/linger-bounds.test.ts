import t, { type Test } from 'tap'
import { type EarlyAnswer, earlyAnswers, lingeringApp } from '../../support/app/early-answers.js'
import { noise } from '../../support/app/guarded-app.js'
import { answered, ONE_READ } from '../../support/client/answered-client.js'
import { chunk, head, onlyAnswer, parseAnswers, repeat, type RawClient } from '../../support/client/raw-client.js'
import { watchLag } from '../../support/oracle/loop-lag.js'
import { until } from '../../support/oracle/until.js'

/** A look that would come after the time bound comes one early. */
const ONE_LOOK = 50 + 10

const kinds = [{ over: 'http', tls: false }, { over: 'https', tls: true }]
const kilobytes = 'x'.repeat(16_384)

function mustBeWhole (t: Test, client: RawClient, { name, statusCode, code, closes }: EarlyAnswer): void {
  const answer = onlyAnswer(client)
  t.equal(answer.statusCode, statusCode, `the answer to ${name}`)
  t.equal(answer.json['code'], code)
  t.equal(answer.headers['connection'], closes ? 'close' : 'keep-alive')
}

for (const { over, tls } of kinds) {
  t.test(`${over}: a client that floods after its answer is cut off at the byte bound, and not before`, async (t) => {
    const bytes = 1_000_000
    const guarded = await lingeringApp(t, tls, { linger: { bytes, timeout: 60_000 } })
    await Promise.all(earlyAnswers.map(async (early) => {
      const { client, socket, readSince, closed } = await answered(guarded, early.bytes)
      mustBeWhole(t, client, early)
      if (early.closes) await until(() => client.socket.readableEnded, `our side is closed after ${early.name}`)
      else t.notOk(client.socket.readableEnded, `our side stays open after ${early.name}`)
      t.notOk(socket.destroyed)
      await client.write(early.rest ?? '')
      await Promise.all([closed, client.flood(kilobytes)])
      t.ok(readSince() >= bytes && readSince() < bytes + ONE_READ, `${readSince()} bytes after ${early.name}`)
    }))
    t.equal(guarded.lingered(), earlyAnswers.length)
    t.equal(guarded.lingering(), 0)
    t.same(noise(guarded.log), [])
  })

  t.test(`${over}: a client that trickles after its answer is cut off at the time bound`, async (t) => {
    const timeout = 500
    const guarded = await lingeringApp(t, tls, { linger: { bytes: 1e9, timeout } })
    const lag = watchLag()
    await Promise.all(earlyAnswers.map(async (early) => {
      const { client, begun, closed } = await answered(guarded, early.bytes)
      const from = performance.now()
      const [at] = await Promise.all([closed, client.trickle(repeat('x', 200), 10)])
      mustBeWhole(t, client, early)
      t.ok(at - begun >= timeout - ONE_LOOK, `${at - begun} ms with ${early.name}`)
      t.ok(at - from <= timeout + lag(), `${at - from} ms after ${early.name}`)
    }))
    t.equal(guarded.lingered(), earlyAnswers.length)
    t.equal(guarded.lingering(), 0)
  })

  t.test(`${over}: a connection is closed as soon as the client closes it`, async (t) => {
    const guarded = await lingeringApp(t, tls, { linger: { bytes: 1e9, timeout: 60_000 } })
    const all = await Promise.all(earlyAnswers.map(({ bytes }) => answered(guarded, bytes)))
    await until(() => guarded.lingering() === earlyAnswers.length, 'all are lingered on')
    for (const { client } of all) {
      client.socket.write(kilobytes)
      client.fin()
    }
    await Promise.all(all.map(({ closed }) => closed))
    t.equal(guarded.lingering(), 0)
    t.same(noise(guarded.log), [])
  })

  t.test(`${over}: with \`linger: false\` nothing is read after the last answer`, async (t) => {
    const guarded = await lingeringApp(t, tls, { linger: false })
    const last = earlyAnswers.filter(({ closes }) => closes)
    await Promise.all(last.map(async (early) => {
      const { client, readSince, closed } = await answered(guarded, early.bytes)
      mustBeWhole(t, client, early)
      await Promise.all([closed, client.flood(kilobytes)])
      t.ok(readSince() < ONE_READ, `${readSince()} bytes after ${early.name}`)
    }))
    t.equal(guarded.lingered(), 0)
    t.equal(guarded.lingering(), 0)
  })

  t.test(`${over}: a connection stays usable where the rest of the body comes within the bounds`, async (t) => {
    const guarded = await lingeringApp(t, tls, { linger: { bytes: 100_000, timeout: 2_000 } })
    const type = { 'Content-Type': 'application/x-stream' }
    const rests = [
      { name: 'at once', headers: { ...type, 'Content-Length': 90_000 }, pieces: ['x'.repeat(90_000)] },
      { name: 'piece by piece', headers: { ...type, 'Content-Length': 10 }, pieces: [...'xxxxxxxxxx'] },
      { name: 'in chunks', headers: { ...type, 'Transfer-Encoding': 'chunked' }, pieces: [chunk('x'.repeat(1_000)), chunk('x'), '0\r\n\r\n'] }
    ]
    const early = [{ url: '/private', statusCode: 401 }, { url: '/unread', statusCode: 200 }, { url: '/missing', statusCode: 404, headers: { 'Content-Type': 'application/x-unknown' } }]
    await Promise.all(early.flatMap(({ url, statusCode, headers }) => rests.map(async (rest) => {
      const { client, socket } = await answered(guarded, head('POST', url, { ...rest.headers, ...headers }))
      await client.trickle(rest.pieces, 5)
      await client.write(head('GET', '/', { Connection: 'close' }))
      await client.until(/"served".*}$/)
      t.same(parseAnswers(client.text).map((answer) => answer.statusCode), [statusCode, 200], `${url} ${rest.name}`)
      client.fin()
      await until(() => socket.destroyed, 'the connection is closed')
    })))
    t.equal(guarded.lingered(), early.length * rests.length)
    t.equal(guarded.lingering(), 0)
    t.same(guarded.records, [], 'what is left after the answer is no read')
  })
}

t.test('a route has bounds of its own', async (t) => {
  const guarded = await lingeringApp(t, false, { linger: { bytes: 1_000_000, timeout: 60_000 } }, (app) => {
    const refused = { onRequest: async (_request: unknown, reply: { code: (status: number) => { send: (body: object) => unknown } }) => reply.code(401).send({}) }
    app.post('/plugin', refused, async () => ({}))
    app.post('/bytes', { ...refused, config: { readGuard: { linger: { bytes: 200_000 } } } }, async () => ({}))
    app.post('/time', { ...refused, config: { readGuard: { linger: { bytes: 1e9, timeout: 300 } } } }, async () => ({}))
    app.post('/off', { ...refused, config: { readGuard: { linger: false } } }, async () => ({}))
  })
  const endless = { 'Content-Length': 1e12, Connection: 'close' }
  const flooded = async (url: string, bytes: number): Promise<void> => {
    const { client, readSince, closed } = await answered(guarded, head('POST', url, endless))
    await Promise.all([closed, client.flood(kilobytes)])
    t.ok(readSince() >= bytes && readSince() < bytes + ONE_READ, `${readSince()} bytes of ${url}`)
  }
  await Promise.all([flooded('/plugin', 1_000_000), flooded('/bytes', 200_000), flooded('/off', 0)])
  const { client, begun, closed } = await answered(guarded, head('POST', '/time', endless))
  const lag = watchLag()
  const from = performance.now()
  const [at] = await Promise.all([closed, client.trickle(repeat('x', 100), 10)])
  t.ok(at - begun >= 300 - ONE_LOOK && at - from <= 300 + lag(), `${at - from} ms`)
  t.equal(guarded.lingered(), 3)
})
