import { createTerminus } from '@godaddy/terminus'
import type { FastifyInstance } from 'fastify'
import { Server } from 'socket.io'
import { io, type Socket } from 'socket.io-client'
import t, { type Test } from 'tap'
import { guardedApp, type GuardedApp, type GuardedAppOptions } from '../support/app/guarded-app.js'
import { head, RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'
import { statuses, takeBodiesRaw } from './support.js'

t.jobs = 6

/** When a neighbour takes its place among the server's listeners. */
const moments = ['before the guard', 'after the guard', 'once the server listens'] as const
type Moment = (typeof moments)[number]

/** Short, so that an idle poll lasts longer: by default it is 25 s, and the head of a request may take 20. */
const guard = { headersTimeout: 500, bodyIdleTimeout: 500, linger: { timeout: 200 } }
const PING = 1_200

/** The guard's own routes, which are guarded whoever listens beside. */
function ownRoutes (app: FastifyInstance): void {
  takeBodiesRaw(app)
  app.get('/', async () => 'ours')
  app.post('/', async (request) => {
    let bytes = 0
    for await (const data of request.raw) bytes += (data as Buffer).length
    return { bytes }
  })
}

async function attached (t: Test, moment: Moment, attach: (app: FastifyInstance) => void): Promise<GuardedApp> {
  const options: GuardedAppOptions = {
    t,
    guard,
    fastify: { keepAliveTimeout: 10_000, forceCloseConnections: true },
    before: (app) => { if (moment === 'before the guard') attach(app) },
    routes: (app) => {
      if (moment === 'after the guard') attach(app)
      ownRoutes(app)
    }
  }
  const guarded = await guardedApp(options)
  if (moment === 'once the server listens') attach(guarded.app)
  return guarded
}

async function expectGuarded (t: Test, { port, records }: GuardedApp): Promise<void> {
  const before = records.length
  const [stalledBody, stalledHead] = [new RawClient(port), new RawClient(port)]
  await stalledBody.write(head('POST', '/', { 'Content-Length': 9 }) + 'hello')
  await stalledHead.write('GET / HTTP/1.1\r\nHost')
  t.strictSame(statuses((await stalledBody.closed).text), [408])
  t.strictSame(statuses((await stalledHead.closed).text), [408])
  t.strictSame(records.slice(before).map(record => record.code).sort(), ['FST_READ_BODY_IDLE_TIMEOUT', 'FST_READ_HEADERS_TIMEOUT'])
}

function attachSocketIo (t: Test, app: FastifyInstance): void {
  const server = new Server(app.server, { pingInterval: PING, pingTimeout: 10_000 })
  server.on('connection', (socket) => socket.on('question', (answer: (text: string) => void) => answer('42')))
  // Closing it closes the server, too, which is the application's.
  t.teardown(() => { server.disconnectSockets(true) })
}

function connect (t: Test, port: number, transport: 'polling' | 'websocket'): Socket {
  const client = io(`http://127.0.0.1:${port}`, { transports: [transport], reconnection: false })
  t.teardown(() => { client.close() })
  return client
}

for (const moment of moments) {
  for (const transport of ['polling', 'websocket'] as const) {
    t.test(`socket.io attached ${moment}, by ${transport}: nothing of it is judged, and our own routes are`, async (t) => {
      const guarded = await attached(t, moment, (app) => attachSocketIo(t, app))
      const client = connect(t, guarded.port, transport)
      let pings = 0
      client.io.on('ping', () => { pings++ })
      let left: string | undefined
      client.on('disconnect', (reason) => { left = reason })
      await until(() => client.connected, 'the client is connected')
      await until(() => pings >= 2 || left !== undefined, 'two pings')
      t.equal(left, undefined)
      t.equal(await client.timeout(2_000).emitWithAck('question'), '42')
      t.strictSame(guarded.records, [])
      await expectGuarded(t, guarded)
    })
  }

  t.test(`socket.io attached ${moment}: a connection that goes from a poll to one of our routes and back stays`, async (t) => {
    const { port, records } = await attached(t, moment, (app) => attachSocketIo(t, app))
    const client = new RawClient(port)
    for (const url of ['/socket.io/?EIO=4&transport=polling', '/', '/socket.io/?EIO=4&transport=polling', '/']) {
      const before = client.text.length
      await client.write(head('GET', url))
      await until(() => client.text.length > before, `an answer of ${url}`)
      // Longer than a head may take.
      await new Promise((resolve) => setTimeout(resolve, guard.headersTimeout + 200))
    }
    t.strictSame(statuses(client.text), [200, 200, 200, 200])
    t.equal(client.socket.readyState, 'open')
    t.strictSame(records, [])
    client.fin()
    await client.closed
  })

  t.test(`socket.io attached ${moment}: a body of its own that stalls, and one that its client leaves, are not ours to judge`, async (t) => {
    const { port, records } = await attached(t, moment, (app) => attachSocketIo(t, app))
    const opening = new RawClient(port)
    await opening.write(head('GET', '/socket.io/?EIO=4&transport=polling', { Connection: 'close' }))
    const sid = /"sid":"([^"]+)"/.exec((await opening.closed).text)?.[1] ?? ''
    const stalling = new RawClient(port)
    await stalling.write(head('POST', `/socket.io/?EIO=4&transport=polling&sid=${sid}`, { 'Content-Type': 'text/plain', 'Content-Length': 9 }) + '40')
    await new Promise((resolve) => setTimeout(resolve, guard.bodyIdleTimeout + guard.headersTimeout + 300))
    t.equal(stalling.text, '')
    t.equal(stalling.socket.readyState, 'open')
    stalling.rst()
    await stalling.closed
    await new Promise((resolve) => setTimeout(resolve, 200))
    t.strictSame(records, [])
  })

  t.test(`terminus attached ${moment}: its health checks are answered on a connection that rests between them, and our routes are guarded`, async (t) => {
    const guarded = await attached(t, moment, (app) => { createTerminus(app.server, { healthChecks: { '/healthz': async () => 'well' }, signals: [], useExit0: false }) })
    const client = new RawClient(guarded.port)
    for (const url of ['/healthz', '/', '/healthz']) {
      const before = client.text.length
      await client.write(head('GET', url))
      await until(() => client.text.length > before, `an answer of ${url}`)
      await new Promise((resolve) => setTimeout(resolve, guard.headersTimeout + 200))
    }
    t.strictSame(statuses(client.text), [200, 200, 200])
    t.equal(client.socket.readyState, 'open')
    t.strictSame(guarded.records, [])
    client.fin()
    await expectGuarded(t, guarded)
  })
}

t.test('socket.io and terminus together, the guard between them', async (t) => {
  const guarded = await guardedApp({
    t,
    guard,
    fastify: { keepAliveTimeout: 10_000, forceCloseConnections: true },
    before: (app) => attachSocketIo(t, app),
    routes: (app) => {
      createTerminus(app.server, { healthChecks: { '/healthz': async () => 'well' }, signals: [], useExit0: false })
      ownRoutes(app)
    }
  })
  const client = connect(t, guarded.port, 'polling')
  let pings = 0
  client.io.on('ping', () => { pings++ })
  await until(() => pings >= 1, 'a ping')
  const healthy = new RawClient(guarded.port)
  await healthy.write(head('GET', '/healthz', { Connection: 'close' }))
  t.strictSame(statuses((await healthy.closed).text), [200])
  t.strictSame(guarded.records, [])
  await expectGuarded(t, guarded)
})
