import http from 'node:http'
import fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import readGuard, { type AbortRecord } from '../../../lib/index.js'
import { delay, head, onlyAnswer, parseAnswers, RawClient } from '../../support/client/raw-client.js'
import { until } from '../../support/oracle/until.js'

const LIMIT = 300

interface Restartable {
  readonly server: http.Server
  readonly port: number
  readonly records: Array<readonly [application: string, AbortRecord['code']]>
  /** Makes another application on the same server, as `@fastify/restartable` does. */
  readonly restart: (fails?: boolean) => Promise<FastifyInstance>
}

async function restartable (t: Test): Promise<Restartable> {
  const records: Array<readonly [string, AbortRecord['code']]> = []
  const server = http.createServer()
  let handler: http.RequestListener = () => {}
  let current: FastifyInstance | undefined
  const make = async (): Promise<FastifyInstance> => {
    const app = fastify({ serverFactory: (own) => { handler = own; return server } })
    const name = `app ${records.length}`
    await app.register(readGuard, { headersTimeout: LIMIT, bodyIdleTimeout: LIMIT, resolution: 50, linger: { timeout: 200 }, onAbort: ({ code }) => { records.push([name, code]) } })
    app.get('/', async () => name)
    app.post('/', async () => name)
    await app.ready()
    return app
  }
  const close = server.close.bind(server)
  // The server outlives its applications.
  Object.assign(server, { close: (done: () => void) => { done() }, closeAllConnections: () => {}, closeIdleConnections: () => {} })
  const restart = async (fails = false): Promise<FastifyInstance> => {
    const [requests, errors] = [server.listeners('request'), server.listeners('clientError')]
    const app = await make()
    if (fails) {
      await app.close()
      for (const listener of server.listeners('clientError')) if (!errors.includes(listener)) server.off('clientError', listener as () => void)
      return app
    }
    server.on('request', handler)
    for (const listener of requests) server.off('request', listener as () => void)
    for (const listener of errors) server.off('clientError', listener as () => void)
    await current?.close()
    current = app
    return app
  }
  await restart()
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(async () => {
    await current?.close()
    http.Server.prototype.closeAllConnections.call(server)
    await new Promise((resolve) => { close(resolve) })
  })
  return { server, port: (server.address() as { port: number }).port, records, restart }
}

const stalled = head('POST', '/', { 'Content-Type': 'application/json', 'Content-Length': 2 }) + '{'

async function mustBeGuarded (t: Test, port: number): Promise<void> {
  for (const bytes of ['GET / HT', stalled, head('GET', '/') + stalled]) {
    const client = new RawClient(port)
    await client.write(bytes)
    t.equal(parseAnswers((await client.closed).text).at(-1)?.statusCode, 408)
  }
}

t.test('a second application on the same server takes the guard over', async (t) => {
  const { port, records, restart, server } = await restartable(t)
  await mustBeGuarded(t, port)
  const before = server.eventNames().map(event => [event, server.listenerCount(event)])
  t.same(records.map(([name]) => name), ['app 0', 'app 0', 'app 0'])
  for (const name of ['app 3', 'app 6']) {
    await restart()
    await mustBeGuarded(t, port)
    t.same(records.slice(-3).map(([application]) => application), [name, name, name], 'each record once, and by the new one')
    t.equal(records.length, Number(name.slice(4)) + 3)
    const client = new RawClient(port)
    await client.write(head('GET', '/', { Connection: 'close' }))
    t.equal(onlyAnswer(await client.closed).body, name)
  }
  t.same(server.eventNames().map(event => [event, server.listenerCount(event)]).sort(), before.sort(), 'the listeners of the old ones are gone')
})

t.test('connections that stand are handed over', async (t) => {
  const { port, records, restart } = await restartable(t)
  const kept = new RawClient(port)
  await kept.write(head('GET', '/'))
  await kept.until(/app 0/)
  const silent = new RawClient(port)
  await silent.connected()
  const inHead = new RawClient(port)
  await inHead.write('GET / HT')
  const inBody = new RawClient(port)
  await inBody.write(stalled)
  await delay(100)
  const old = await restart()
  await Promise.all([inHead.closed, inBody.closed])
  await until(() => old.readGuard.stats().reading.body === 0 && records.length === 2, 'their reads have failed')
  t.same(records.map(([, code]) => code).sort(), ['FST_READ_BODY_IDLE_TIMEOUT', 'FST_READ_HEADERS_TIMEOUT'])
  await kept.write(head('GET', '/'))
  await kept.until(/app 0[^]*app 0/)
  await kept.write(head('GET', '/') + 'GET /')
  t.equal(parseAnswers((await kept.closed).text).at(-1)?.statusCode, 408)
  await silent.write('GET / HT')
  t.equal(onlyAnswer(await silent.closed).statusCode, 408)
})

t.test('a restart that fails leaves the old application its guard', async (t) => {
  const { port, records, restart } = await restartable(t)
  await restart(true)
  await mustBeGuarded(t, port)
  t.same(records.map(([name]) => name), ['app 0', 'app 0', 'app 0'])
})
