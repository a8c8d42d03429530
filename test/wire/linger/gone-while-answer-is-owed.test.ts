import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { guardedApp } from '../../support/app/guarded-app.js'
import { RawClient, delay, head } from '../../support/client/raw-client.js'
import { until } from '../../support/oracle/until.js'

const events = head('GET', '/events')
const poll = head('GET', '/poll')
const twoHosts = 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'
const twoHostsWithBody = 'POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 1000\r\n\r\n'

const chunked = head('POST', '/read', { 'Content-Type': 'text/plain', 'Transfer-Encoding': 'chunked' })

/** Packets of which the first makes the server owe an answer, and a later one is refused. */
const exchanges: Readonly<Record<string, readonly string[]>> = {
  'bad bytes': [poll, '\0garbage'],
  'bad bytes in three packets': [poll, '\0garbage', 'more', 'more'],
  'bad bytes in three packets, behind an answer that has begun': [events, '\0garbage', 'more', 'more'],
  'a refused head': [poll + twoHosts, poll],
  'a refused head and its body': [poll + twoHostsWithBody, 'abc', 'abc'],
  'a refused head, behind an answer that has begun': [events + twoHosts, poll, poll],
  'a malformed body': [poll + chunked, 'no chunk\r\n'],
  'a malformed body, behind an answer that has begun': [events + chunked, 'no chunk\r\n'],
  'a malformed body in the packet of its head, behind an answer that has begun': [events, chunked + 'no chunk\r\n']
}

interface Owing {
  readonly app: FastifyInstance
  readonly port: number
  /** Handlers that work on an answer, and those of them whose client has gone. */
  readonly working: number
  readonly told: number
}

async function appThatOwes (): Promise<Owing> {
  let working = 0
  let told = 0
  const { app, port } = await guardedApp({
    routes: (app) => {
      app.addHook('onRequest', async ({ raw }) => {
        working++
        raw.once('close', () => told++)
      })
      app.get('/poll', () => new Promise(() => {}))
      app.post('/read', async () => 'read')
      app.get('/events', (_request, reply) => {
        reply.hijack()
        reply.raw.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders()
      })
    }
  })
  return { app, port, get working () { return working }, get told () { return told } }
}

for (const leave of ['fin', 'rst'] as const) {
  t.test(`a client that leaves by ${leave.toUpperCase()} is seen, whatever was refused behind the answer that it is owed`, async (t) => {
    for (const [title, packets] of Object.entries(exchanges)) {
      const owing = await appThatOwes()
      const client = new RawClient(owing.port)
      await client.connected()
      const [accepted] = await Promise.all([connectionOf(owing.app), client.write(packets[0] ?? '')])
      for (const packet of packets.slice(1)) {
        await delay(10) // so that each is a packet of its own
        await client.write(packet)
      }
      await until(() => owing.working > 0, 'the handler works')
      client[leave]()
      await until(() => accepted.destroyed, `${title}: the socket closes`)
      await until(() => owing.told === owing.working, `${title}: each handler is told`)
      await owing.app.close()
      t.pass(title)
    }
  })
}

async function connectionOf ({ server }: FastifyInstance): Promise<Socket> {
  const [socket] = await once(server, 'request').then(([request]) => [(request as { socket: Socket }).socket])
  return socket as Socket
}

t.test('what is thrown away behind an answer that is owed has a bound', async (t) => {
  const { app, port } = await guardedApp({
    guard: { linger: { timeout: 1_000, bytes: 1_000_000 } },
    routes: (app) => { app.get('/poll', () => new Promise(() => {})) }
  })
  t.teardown(() => app.close())
  const client = new RawClient(port)
  await client.write(poll + '\0garbage')
  const sent = client.socket.bytesWritten
  await client.flood('x'.repeat(65_536))
  const { text } = await client.closed
  t.equal(text, '')
  t.ok(client.socket.bytesWritten - sent >= 1_000_000, 'up to the bound it is read')
})

t.test('what is thrown away while an error handler takes its time has a bound', async (t) => {
  const { app, port, recorded } = await guardedApp({
    guard: { linger: { timeout: 1_000, bytes: 1_000_000 } },
    routes: async (app) => {
      await app.register(async (scope) => {
        scope.setErrorHandler(() => new Promise(() => {}))
        scope.post('/', { config: { readGuard: { bodyLimit: 10 } } }, async ({ body }) => body)
      })
    }
  })
  t.teardown(() => app.close())
  const client = new RawClient(port)
  await client.write(head('POST', '/', { 'Content-Type': 'text/plain', 'Content-Length': 100_000_000 }))
  await client.flood('x'.repeat(65_536))
  t.equal((await client.closed).text, '')
  t.match(await recorded(), [{ code: 'FST_READ_BODY_TOO_LARGE', answered: false }])
})
