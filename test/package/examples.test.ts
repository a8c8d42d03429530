import { createHmac } from 'node:crypto'
import t, { type Test } from 'tap'
import { chunk, delay, head, onlyAnswer, RawClient, type Answer } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'
import { startExample, type RunningProgram } from '../support/app/running-program.js'

t.jobs = 4

interface Told extends Answer {
  readonly elapsed: number
}

/** Sends the head and the pieces, then says nothing more; resolves with the only answer once the server has closed. */
async function send (port: number, headBytes: string, pieces: readonly string[] = [], pause = 0): Promise<Told> {
  const client = new RawClient(port)
  await client.connected()
  await client.write(headBytes)
  await client.trickle(pieces, pause)
  const seen = await client.closed
  return { ...onlyAnswer(seen), elapsed: seen.elapsed }
}

const close = { Connection: 'close' }
const json = { ...close, 'Content-Type': 'application/json' }
const octets = { ...close, 'Content-Type': 'application/octet-stream' }
const chunked = { 'Transfer-Encoding': 'chunked' }

function many (bytes: string, count: number): string[] {
  return Array.from({ length: count }, () => bytes)
}

async function started (t: Test, name: string, env?: NodeJS.ProcessEnv): Promise<RunningProgram> {
  const example = await startExample(name, env)
  t.teardown(() => example.stop())
  return example
}

t.test('basic: a note is saved, and whoever does not send one is answered and recorded', async (t) => {
  const { port, recorded } = await started(t, 'basic')
  const [saved, silent, slow] = await Promise.all([
    send(port, head('POST', '/notes', { ...json, 'Content-Length': 11 }), ['{"note":1}\n']),
    send(port, head('POST', '/notes', { ...json, 'Content-Length': 11 }), ['{"note"']),
    send(port, 'POST /notes HTTP/1.1\r\n', many('X-Slow: 1\r\n', 60), 50)
  ])
  t.equal(saved.statusCode, 201)
  t.same(saved.json, { saved: { note: 1 } })
  t.equal(silent.json['code'], 'FST_READ_BODY_IDLE_TIMEOUT')
  t.ok(silent.elapsed >= 1_000)
  t.equal(slow.json['code'], 'FST_READ_HEADERS_TIMEOUT')
  t.ok(slow.elapsed >= 2_000)
  const records = await recorded(2)
  t.same(records.map(({ reason }) => reason), ['body_idle_timeout', 'headers_timeout'])
  t.match(records[0], { received: 7, expected: 11, route: '/notes', limit: 1_000, answered: true })
})

t.test('per-route: what one route refuses is fine on another', async (t) => {
  const { port, recorded } = await started(t, 'per-route')
  const trickle = many(chunk('x'), 100)
  const partner = { ...octets, ...chunked, Authorization: 'Bearer partner' }
  const [login, unknownLength, large, slowVideo, firehose, stalledPartner, stalledImport] = await Promise.all([
    send(port, head('POST', '/login', { ...json, 'Content-Length': 2 }), ['{}']),
    send(port, head('POST', '/login', { ...json, ...chunked }), [chunk('{}'), chunk('')]),
    send(port, head('POST', '/login', { ...json, 'Content-Length': 257 })),
    send(port, head('POST', '/videos', { ...octets, ...chunked }), trickle, 50),
    send(port, head('POST', '/firehose', { ...octets, 'Content-Length': 2 }), ['a', 'b'], 2_500),
    send(port, head('POST', '/imports', partner), [chunk('a'), chunk('')], 2_500),
    send(port, head('POST', '/imports', { ...octets, ...chunked }), trickle, 50)
  ])
  t.same(login.json, { token: 'secret' })
  t.equal(unknownLength.json['code'], 'FST_READ_LENGTH_REQUIRED')
  t.equal(large.json['code'], 'FST_READ_BODY_TOO_LARGE')
  t.ok(large.elapsed < 1_000, 'refused before the body')
  t.equal(slowVideo.json['code'], 'FST_READ_BODY_TOO_SLOW')
  t.ok(slowVideo.elapsed >= 2_000, 'the grace period is granted')
  t.match(firehose.json, { bytes: 2 })
  t.match(stalledPartner.json, { bytes: 1 })
  t.equal(stalledImport.json['code'], 'FST_READ_BODY_TIMEOUT')
  t.ok(stalledImport.elapsed >= 1_000)
  const records = await recorded(4)
  t.same(records.map(({ route, reason }) => `${String(route)} ${reason}`).sort(), [
    '/imports body_timeout', '/login body_too_large', '/login length_required', '/videos body_too_slow'
  ])
})

t.test('per-route: the bytes of a body are counted whatever its type', async (t) => {
  const { port, records } = await started(t, 'per-route')
  const types = ['application/json', 'text/plain', 'application/octet-stream', 'video/mp4']
  const targets = ['/videos', '/firehose', '/imports'].flatMap((url) => types.map((type) => ({ url, type })))
  await Promise.all(targets.map(async ({ url, type }) => {
    const answer = await send(port, head('POST', url, { ...close, 'Content-Type': type, 'Content-Length': 12 }), ['{"a":', '"bcde"}'])
    t.match(answer, { statusCode: 200, json: { bytes: 12 } }, `${type} to ${url}`)
  }))
  t.same(records(), [])
})

t.test('webhook: the signature is checked on the bytes as sent', async (t) => {
  const { port, recorded } = await started(t, 'webhook', { SECRET: 'shh' })
  const body = '{ "event":  "paid" }'
  const signature = createHmac('sha256', 'shh').update(body).digest('hex')
  const signed = { ...json, 'Content-Length': body.length, 'X-Signature': signature }
  const [right, reformatted, unsigned, unknownLength, large, silent] = await Promise.all([
    send(port, head('POST', '/webhook', signed), [body]),
    send(port, head('POST', '/webhook', signed), ['{ "event" :"paid"  }']),
    send(port, head('POST', '/webhook', { ...json, 'Content-Length': body.length }), [body]),
    send(port, head('POST', '/webhook', { ...json, ...chunked, 'X-Signature': signature }), [chunk(body), chunk('')]),
    send(port, head('POST', '/webhook', { ...signed, 'Content-Length': 65_537 })),
    send(port, head('POST', '/webhook', signed), [body.slice(1)])
  ])
  t.same(right.json, { event: 'paid' })
  t.equal(reformatted.statusCode, 401)
  t.equal(unsigned.statusCode, 401)
  t.equal(unknownLength.json['code'], 'FST_READ_LENGTH_REQUIRED')
  t.equal(large.json['code'], 'FST_READ_BODY_TOO_LARGE')
  t.equal(silent.json['code'], 'FST_READ_BODY_IDLE_TIMEOUT')
  t.ok(silent.elapsed >= 1_000)
  t.equal((await recorded(3)).length, 3)

  for (const text of ['{ "event":', 'null', '']) {
    const sign = createHmac('sha256', 'shh').update(text).digest('hex')
    const answer = await send(port, head('POST', '/webhook', { ...json, 'Content-Length': text.length, 'X-Signature': sign }), [text])
    t.equal(answer.statusCode, 400, `signed, but no JSON object: ${text}`)
  }
})

t.test('observe: nothing is refused but on the route that enforces, and everything is counted', async (t) => {
  const { port, recorded } = await started(t, 'observe')
  const [slow, login] = await Promise.all([
    send(port, head('POST', '/notes', { ...json, 'Content-Length': 2 }), ['{', '}'], 800),
    send(port, head('POST', '/login', { ...json, 'Content-Length': 2 }), ['{'])
  ])
  t.same(slow.json, { saved: {} })
  t.equal(login.json['code'], 'FST_READ_BODY_IDLE_TIMEOUT')
  t.ok(login.elapsed >= 500)
  const records = await recorded(2)
  t.match(records.find(({ observed }) => observed), { route: '/notes', reason: 'body_idle_timeout', answered: false })
  t.match(records.find(({ observed }) => !observed), { route: '/login', reason: 'body_idle_timeout', answered: true })
  const stats = await send(port, head('GET', '/stats', close))
  t.match(stats.json, { aborted: { FST_READ_BODY_IDLE_TIMEOUT: 1 }, observed: { FST_READ_BODY_IDLE_TIMEOUT: 1 } })
})

t.test('signal: a query and a request to another server end with their client', async (t) => {
  const { port, recorded, log } = await started(t, 'signal')
  for (const url of ['/orders', '/prices']) {
    const client = new RawClient(port)
    await client.connected()
    await client.write(head('GET', url))
    await until(() => log.some(({ req }) => (req as { url?: string } | undefined)?.url === url), 'it has come')
    await delay(200)
    client.rst()
  }
  const records = await recorded(2)
  t.match(records, [{ reason: 'response_aborted', phase: 'handler', route: '/orders', statusCode: 499 }, { reason: 'response_aborted', phase: 'handler', route: '/prices', statusCode: 499 }])
  await until(() => ['cancelled: SELECT * FROM orders', 'the other server was left'].every(text => log.some(({ msg }) => msg === text)), 'both are ended')
  t.same(log.filter(({ msg }) => msg === 'request completed').map(({ res }) => (res as { statusCode: number }).statusCode), [499, 499])
})
