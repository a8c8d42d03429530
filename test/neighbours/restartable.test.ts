import { restartable } from '@fastify/restartable'
import fastify, { type FastifyInstance } from 'fastify'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import readGuard, { type AbortRecord } from '../../lib/index.js'
import { head, onlyAnswer, RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'
import { statuses, takeBodiesRaw } from './support.js'

type Restartable = FastifyInstance & { restart (): Promise<void> }

interface Generation {
  readonly app: FastifyInstance
  readonly records: AbortRecord[]
}

/** An application that is made anew at every restart; the limits of each differ. */
async function restarting (t: Test): Promise<{ proxy: Restartable, port: number, generations: Generation[] }> {
  const generations: Generation[] = []
  const proxy = await restartable(async (make, options) => {
    const app = make(options)
    const number = generations.length + 1
    const records: AbortRecord[] = []
    await app.register(readGuard, { headersTimeout: 600, bodyIdleTimeout: 400, bodyLimit: number * 10, linger: { timeout: 200 }, onAbort: (record) => { records.push(record) } })
    takeBodiesRaw(app)
    app.get('/', async () => `number ${number}`)
    app.post('/', async (request) => {
      let bytes = 0
      for await (const data of request.raw) bytes += (data as Buffer).length
      return { number, bytes }
    })
    generations.push({ app, records })
    return app
  }, { keepAliveTimeout: 5_000 }, fastify) as unknown as Restartable // it is the application of the moment, and has `restart`
  t.teardown(() => proxy.close())
  await proxy.listen({ port: 0, host: '127.0.0.1' })
  const { port } = proxy.server.address() as AddressInfo // of a server that listens on a port
  return { proxy, port, generations }
}

async function ask (port: number): Promise<string> {
  const client = new RawClient(port)
  await client.write(head('GET', '/', { Connection: 'close' }))
  return onlyAnswer(await client.closed).body
}

t.test('an application that is restarted twice is guarded by the newest, with its limits, records and counts', async (t) => {
  const { proxy, port, generations } = await restarting(t)
  t.equal(await ask(port), 'number 1')
  for (const number of [2, 3]) {
    await proxy.restart()
    t.equal(generations.length, number)
    t.equal(await ask(port), `number ${number}`)
    const [stalled, large, fine, unfinished] = [new RawClient(port), new RawClient(port), new RawClient(port), new RawClient(port)]
    await stalled.write(head('POST', '/', { 'Content-Length': 5 }) + 'abc')
    await large.write(head('POST', '/', { 'Content-Length': number * 10 + 1 }) + 'x'.repeat(number * 10 + 1))
    await fine.write(head('POST', '/', { 'Content-Length': number * 10, Connection: 'close' }) + 'x'.repeat(number * 10))
    await unfinished.write('GET / HT')
    t.equal(onlyAnswer(await stalled.closed).statusCode, 408)
    t.equal(onlyAnswer(await large.closed).statusCode, 413)
    t.strictSame(onlyAnswer(await fine.closed).json, { number, bytes: number * 10 })
    t.equal(onlyAnswer(await unfinished.closed).statusCode, 408)
    const newest = generations[number - 1]
    if (newest === undefined) throw new Error('there is no such application')
    await until(() => newest.records.length === 3, 'three records')
    t.strictSame(newest.records.map(record => record.code).sort(), ['FST_READ_BODY_IDLE_TIMEOUT', 'FST_READ_BODY_TOO_LARGE', 'FST_READ_HEADERS_TIMEOUT'])
    const { aborted, reading } = newest.app.readGuard.stats()
    t.strictSame(aborted, { FST_READ_BODY_IDLE_TIMEOUT: 1, FST_READ_BODY_TOO_LARGE: 1, FST_READ_HEADERS_TIMEOUT: 1 })
    t.equal(reading.body, 0)
  }
  t.strictSame(generations[0]?.records, [], 'the first application had no part in it')
  t.equal(generations[1]?.records.length, 3, 'nor the second, once it was replaced')
})

t.test('a connection that stood before a restart is served, and guarded, after it', async (t) => {
  const { proxy, port, generations } = await restarting(t)
  const client = new RawClient(port)
  await client.write(head('GET', '/'))
  await client.until(/number 1/)
  await proxy.restart()
  if (client.socket.readyState === 'open') {
    await client.write(head('POST', '/', { 'Content-Length': 9 }) + 'abc')
    const { text } = await client.closed
    t.ok(statuses(text).at(-1) === 408 || statuses(text).length === 1, `the answers are ${statuses(text).join(', ')}`)
  }
  t.equal(await ask(port), 'number 2')
  t.ok(generations.flatMap(({ records }) => records).every(record => record.code === 'FST_READ_BODY_IDLE_TIMEOUT'))
})

t.test('a body under way during a restart gets an answer, and one record at the most', async (t) => {
  const { proxy, port, generations } = await restarting(t)
  const client = new RawClient(port)
  await client.write(head('POST', '/', { 'Content-Length': 9 }) + 'abc')
  await until(() => generations[0]?.app.readGuard.stats().reading.body === 1, 'the body is being read')
  const restarted = proxy.restart()
  const { statusCode } = onlyAnswer(await client.closed)
  t.equal(statusCode, 408)
  await restarted
  t.equal(await ask(port), 'number 2')
  t.equal(generations.flatMap(({ records }) => records).length, 1)
})

t.test('on one application a second registration is refused still', async (t) => {
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(readGuard)
  await t.rejects(async () => { await app.register(readGuard) }, { code: 'FST_READ_OPTIONS_INVALID' })
})
