import { once } from 'node:events'
import websocket from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import { Server } from 'socket.io'
import { io } from 'socket.io-client'
import t, { type Test } from 'tap'
import { WebSocket } from 'undici'
import { guardedApp, type GuardedApp } from '../support/app/guarded-app.js'
import { head, onlyAnswer, RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'

t.jobs = 4

const LIMIT = 400
/** Longer than all limits, so that both are silent for that long between two messages. */
const SILENCE = 1_000

interface Told {
  /** What the two that take upgrades were told. */
  readonly events: string[]
}

/** By polling: to every upgrade without a route of its own @fastify/websocket answers 404, with the guard and without. */
function attachSocketIo (t: Test, app: FastifyInstance, events: string[]): void {
  const server = new Server(app.server, { transports: ['polling'], pingInterval: 10_000 })
  server.on('connection', (socket) => {
    events.push('socket.io: connected')
    socket.on('question', (answer: (text: string) => void) => answer('42'))
    socket.on('disconnect', () => { events.push('socket.io: left') })
  })
  // Closing it closes the server, too, which is the application's.
  t.teardown(() => { server.disconnectSockets(true) })
}

function both (t: Test, first: 'socket.io' | '@fastify/websocket'): Promise<GuardedApp & Told> {
  const events: string[] = []
  return guardedApp<Told>({
    t,
    guard: { headersTimeout: LIMIT, bodyIdleTimeout: LIMIT, responseIdleTimeout: LIMIT, resolution: 50, linger: { timeout: 200 } },
    fastify: { keepAliveTimeout: LIMIT, forceCloseConnections: true },
    before: (app) => { if (first === 'socket.io') attachSocketIo(t, app, events) },
    routes: async (app) => {
      await app.register(websocket)
      app.get('/chat', { websocket: true }, (socket) => {
        events.push('websocket: connected')
        socket.on('message', (message: Buffer) => { socket.send(message.toString()) })
        socket.on('close', () => { events.push('websocket: left') })
      })
      app.post('/notes', async ({ body }) => ({ saved: body }))
      if (first !== 'socket.io') attachSocketIo(t, app, events)
      return { events }
    }
  })
}

for (const first of ['socket.io', '@fastify/websocket'] as const) {
  t.test(`${first} before the other: both work for as long as they like, and a body beside them that stalls is answered and recorded`, async (t) => {
    const { port, records, log, events } = await both(t, first)
    const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`)
    await once(socket, 'open')
    const client = io(`http://127.0.0.1:${port}`, { transports: ['polling'], reconnection: false })
    await until(() => client.connected, 'the client is connected')
    await new Promise((resolve) => setTimeout(resolve, SILENCE))

    const stalled = new RawClient(port)
    await stalled.write(head('POST', '/notes', { 'Content-Type': 'application/json', 'Content-Length': 7 }) + '{"a":')
    t.match(onlyAnswer(await stalled.closed), { statusCode: 408, json: { code: 'FST_READ_BODY_IDLE_TIMEOUT' } })

    socket.send('hello')
    const [{ data }] = await once(socket, 'message') as [{ data: unknown }] // of the event's kind
    t.equal(data, 'hello')
    t.equal(await client.timeout(2_000).emitWithAck('question'), '42')
    t.strictSame(events, ['websocket: connected', 'socket.io: connected'], 'both are still there')
    socket.close()
    client.close()
    await until(() => events.length === 4, 'both have left')
    t.match(records, [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', route: '/notes', answered: true }])
    t.equal(log.filter(({ abort }) => abort !== undefined).length, 1)
  })

  t.test(`${first} before the other: a head that stalls is answered and recorded, whichever it would have been for, and neither is told`, async (t) => {
    const { port, records, events } = await both(t, first)
    for (const url of ['/chat', '/socket.io/?EIO=4&transport=polling']) {
      const client = new RawClient(port)
      await client.write(head('GET', url, { Connection: 'Upgrade', Upgrade: 'websocket' }).slice(0, -2))
      t.match(onlyAnswer(await client.closed), { statusCode: 408, json: { code: 'FST_READ_HEADERS_TIMEOUT' } })
    }
    t.match(records, [{ code: 'FST_READ_HEADERS_TIMEOUT', phase: 'headers' }, { code: 'FST_READ_HEADERS_TIMEOUT' }])
    t.equal(records.length, 2)
    t.strictSame(events, [])
  })
}
