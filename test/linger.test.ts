import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import type { ReadGuardOptions } from '../lib/index.js'
import { certificate } from './support/certificate.js'
import { earlyAnswers, earlyLimits, earlyRoutes, type EarlyAnswer } from './support/early-answers.js'
import { guardedApp, noise, until, type GuardedApp } from './support/guarded-app.js'
import { watchLag } from './support/loop-lag.js'
import { chunk, delay, head, onlyAnswer, parseAnswers, RawClient, repeat } from './support/raw-client.js'

/** The most that one read of a socket brings: what the byte bound is kept to. */
const ONE_READ = 65_536
/** A look that would come after the time bound comes one early. */
const ONE_LOOK = 50 + 10

const kinds = [{ over: 'http', tls: false }, { over: 'https', tls: true }]
const kilobytes = 'x'.repeat(16_384)

interface LingerApp extends GuardedApp {
  readonly connect: (stays?: boolean) => RawClient
  /** The server's side of a client's connection. */
  readonly socketOf: (client: RawClient) => Socket
  readonly lingering: () => number
  readonly lingered: () => number
}

async function lingerApp (t: Test, tls: boolean, guard: ReadGuardOptions, routes: (app: FastifyInstance) => void = earlyRoutes): Promise<LingerApp> {
  const sockets = new Map<number | undefined, Socket>()
  const guarded = await guardedApp({
    guard: { ...earlyLimits, ...guard },
    fastify: tls ? { https: certificate } : {},
    routes: (app) => {
      app.server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => { sockets.set(socket.remotePort, socket) })
      routes(app)
    }
  })
  t.teardown(() => guarded.app.close())
  return {
    ...guarded,
    connect: (stays = true) => new RawClient(guarded.port, { tls, stays }),
    socketOf: (client) => {
      const socket = sockets.get(client.socket.localPort)
      if (socket === undefined) throw new Error('no connection')
      return socket
    },
    lingering: () => guarded.app.readGuard.stats().reading.lingering,
    lingered: () => guarded.app.readGuard.stats().lingered
  }
}

interface Answered {
  readonly client: RawClient
  /** The server's side. */
  readonly socket: Socket
  /** Bytes that the server has read since. */
  readonly readSince: () => number
  /** When the client began. */
  readonly begun: number
  /** When the server has closed. */
  readonly closed: Promise<number>
}

/** A client that has its answer, and has not ended. */
async function answered (guarded: LingerApp, bytes: string, stays = true): Promise<Answered> {
  const client = guarded.connect(stays)
  const begun = performance.now()
  await client.write(bytes)
  await client.until(/\r\n\r\n.*}$/s)
  const socket = guarded.socketOf(client)
  const { bytesRead } = socket
  const closed = new Promise<number>((resolve) => {
    const done = (): void => resolve(performance.now())
    if (socket.closed) done()
    else socket.once('close', done)
  })
  return { client, socket, readSince: () => socket.bytesRead - bytesRead, begun, closed }
}

function mustBeWhole (t: Test, client: RawClient, { name, statusCode, code, closes }: EarlyAnswer): void {
  const answer = onlyAnswer(client)
  t.equal(answer.statusCode, statusCode, `the answer to ${name}`)
  t.equal(answer.json['code'], code)
  t.equal(answer.headers['connection'], closes ? 'close' : 'keep-alive')
}

for (const { over, tls } of kinds) {
  t.test(`${over}: a client that floods after its answer is cut off at the byte bound, and not before`, async (t) => {
    const bytes = 1_000_000
    const guarded = await lingerApp(t, tls, { linger: { bytes, timeout: 60_000 } })
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
    const guarded = await lingerApp(t, tls, { linger: { bytes: 1e9, timeout } })
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
    const guarded = await lingerApp(t, tls, { linger: { bytes: 1e9, timeout: 60_000 } })
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
    const guarded = await lingerApp(t, tls, { linger: false })
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
    const guarded = await lingerApp(t, tls, { linger: { bytes: 100_000, timeout: 2_000 } })
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
  const guarded = await lingerApp(t, false, { linger: { bytes: 1_000_000, timeout: 60_000 } }, (app) => {
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

const unanswered = [
  { name: 'a body that broke a limit', bytes: head('POST', '/', { 'Transfer-Encoding': 'chunked' }) + chunk('x'.repeat(101)) + 'fffffffff\r\n', statusCode: 413 },
  { name: 'a malformed head behind a request', bytes: head('GET', '/') + 'BAD\r\n\r\n', statusCode: 200 }
]
for (const { name, bytes, statusCode } of unanswered) {
  t.test(`before the answer is out, no more than one read of ${name} is thrown away`, async (t) => {
    const slow = 500
    let thrownAway = 0
    let read = (): number => 0
    const guarded = await lingerApp(t, false, { bodyLimit: 100, linger: { bytes: 1_000_000, timeout: 60_000 } }, (app) => {
      app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
      const takeTime = async ({ raw: { socket } }: FastifyRequest): Promise<void> => {
        read = () => socket.bytesRead
        const before = read()
        await delay(slow)
        thrownAway = read() - before
      }
      app.get('/', async (request) => { await takeTime(request); return {} })
      app.post('/', (request) => request.readRawBody().catch(async (error) => { await takeTime(request); throw error }))
    })
    const client = guarded.connect()
    await client.write(bytes)
    await Promise.all([client.closed, client.flood(kilobytes)])
    t.ok(thrownAway <= 2 * ONE_READ, `${thrownAway} bytes in ${slow} ms`)
    t.equal(onlyAnswer(client).statusCode, statusCode)
    t.ok(read() >= 1_000_000, 'what was held back is lingered on')
    t.equal(guarded.lingered(), 1)
  })
}

t.test('a request that comes after the last answer reaches nobody, and a second one is not waited for', async (t) => {
  const served: string[] = []
  const guarded = await lingerApp(t, false, { linger: { bytes: 1e9, timeout: 60_000 } }, (app) => {
    earlyRoutes(app)
    app.addHook('onRequest', async ({ method, url }) => { served.push(`${method} ${url}`) })
  })
  let parsed = 0
  guarded.app.server.on('request', () => { parsed++ })
  const { client, socket, closed } = await answered(guarded, head('POST', '/limited', { 'Content-Type': 'application/x-stream', 'Content-Length': 101 }))
  await client.write('x'.repeat(101) + head('POST', '/unread', { 'Content-Length': 100_000 }) + 'x'.repeat(99_999))
  await until(() => parsed === 2, 'it was parsed')
  await client.write('x')
  await delay(50)
  t.notOk(socket.destroyed)
  t.equal(guarded.lingering(), 1)
  await Promise.all([closed, client.flood(head('GET', '/').repeat(500))])
  t.ok(parsed < 2 + ONE_READ / head('GET', '/').length, `${parsed} were parsed, those that came in one read`)
  t.same(served, [])
  t.equal(onlyAnswer(client).statusCode, 413)
})
