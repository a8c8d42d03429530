import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { guardedApp, type GuardedApp, type GuardedAppOptions, noise } from '../../support/app/guarded-app.js'
import { chunk, head, onlyAnswer, parseAnswers, RawClient } from '../../support/client/raw-client.js'
import { watchLag } from '../../support/oracle/loop-lag.js'
import { connectionsOf, quiet } from '../../support/oracle/server-state.js'

const TIMEOUT = 400
const RESOLUTION = 50
const USUAL_DELAY = 150
const PAUSE = 20
const REQUEST_TIMEOUT = 800
const BODY = 'x'.repeat(200)

interface Early {
  readonly what: string
  readonly url: string
  readonly type: string
  readonly statusCode: number
}

/** Ways in which an answer is there before the body has come, and leaves the connection open. */
const early: readonly Early[] = [
  { what: 'a 401 of an onRequest hook', url: '/hook', type: 'application/json', statusCode: 401 },
  { what: 'a 404 of an unknown type', url: '/missing', type: 'application/x-unknown', statusCode: 404 },
  { what: 'a 415', url: '/json', type: 'application/x-unknown', statusCode: 415 },
  { what: 'a 200 of a handler that does not read', url: '/unread', type: 'application/x-stream', statusCode: 200 },
  { what: 'a 200 of a handler that reads no more than the beginning', url: '/begin', type: 'application/x-stream', statusCode: 200 }
]
const refused: Early = { what: 'a 413', url: '/small', type: 'application/json', statusCode: 413 }

function routes (app: FastifyInstance): void {
  app.addContentTypeParser('application/x-stream', (_request, payload, done) => done(null, payload))
  app.post('/hook', { onRequest: async (_request, reply) => reply.code(401).send({ no: true }) }, async () => ({}))
  app.post('/json', async () => ({}))
  app.post('/unread', async () => ({ ok: true }))
  app.post('/begin', async ({ raw }) => {
    await once(raw, 'data')
    raw.pause()
    return { ok: true }
  })
  app.post('/small', { config: { readGuard: { bodyLimit: 100 } } }, async () => ({}))
  app.get('/', async () => ({ next: true }))
}

function start (options: GuardedAppOptions = {}): Promise<GuardedApp> {
  return guardedApp({ ...options, guard: { resolution: RESOLUTION, linger: { timeout: TIMEOUT, bytes: 1_000_000 }, ...options.guard }, routes })
}

const declared = ({ url, type }: Early, length: number): string => head('POST', url, { 'Content-Type': type, 'Content-Length': length })
const chunked = ({ url, type }: Early): string => head('POST', url, { 'Content-Type': type, 'Transfer-Encoding': 'chunked' })

/** Goes on until the connection is closed. */
function trickle (client: RawClient, piece = 'x'): void {
  client.trickle(Array.from({ length: 200 }, () => piece), PAUSE).catch(() => {})
}

for (const answer of [...early, refused]) {
  t.test(`after ${answer.what} the trickle of the rest is bounded by the time of linger`, async (t) => {
    const guarded = await start()
    t.teardown(() => guarded.app.close())
    const client = new RawClient(guarded.port, { stays: true })
    await client.connected()
    const lag = watchLag()
    const begun = performance.now()
    await client.write(declared(answer, 100_000) + BODY)
    trickle(client)
    await client.closed
    const elapsed = performance.now() - begun
    const lost = lag()
    t.equal(onlyAnswer(client).statusCode, answer.statusCode)
    t.ok(elapsed >= TIMEOUT - 2 * RESOLUTION, `closed after ${elapsed} ms: not long before ${TIMEOUT} ms`)
    t.ok(elapsed <= TIMEOUT + USUAL_DELAY + lost, `closed after ${elapsed} ms: soon after ${TIMEOUT} ms, with ${lost} ms lost`)
    t.same(guarded.records.map(({ code }) => code), answer === refused ? ['FST_READ_BODY_TOO_LARGE'] : [], 'what is left is no read any more')
    t.equal(guarded.app.readGuard.stats().lingered, 1)
    t.same(noise(guarded.log), [])
    await quiet(guarded.app)
  })

  t.test(`after ${answer.what} the flood of the rest is bounded by the bytes of linger`, async (t) => {
    const bytes = 300_000
    const guarded = await start({ guard: { linger: { timeout: 10_000, bytes } } })
    t.teardown(() => guarded.app.close())
    const connected = once(guarded.app.server, 'connection')
    const client = new RawClient(guarded.port, { stays: true })
    const [socket] = await connected as [Socket]
    await client.write(declared(answer, 100_000_000) + BODY)
    await client.until(/\r\n\r\n/)
    const piece = Buffer.alloc(50_000)
    for (let sent = 0; sent < 10_000_000 && !client.socket.destroyed; sent += piece.length) await client.write(piece)
    await client.closed
    t.equal(onlyAnswer(client).statusCode, answer.statusCode)
    t.ok(socket.bytesRead >= bytes, `${socket.bytesRead} bytes read: not before ${bytes}`)
    t.ok(socket.bytesRead <= bytes + 300_000, `${socket.bytesRead} bytes read: soon after ${bytes}`)
    t.equal(guarded.records.length, answer === refused ? 1 : 0)
    t.same(noise(guarded.log), [])
    await quiet(guarded.app)
  })
}

for (const answer of early) {
  t.test(`after ${answer.what} a rest that comes in time leaves the connection usable`, async (t) => {
    const guarded = await start({ guard: { linger: { timeout: 3_000 } } })
    t.teardown(() => guarded.app.close())
    const client = new RawClient(guarded.port)
    await client.write(declared(answer, BODY.length) + BODY.slice(0, 190))
    await client.until(/\r\n\r\n/)
    await client.trickle(BODY.slice(190), PAUSE)
    await client.write(head('GET', '/', { Connection: 'close' }))
    await client.closed
    t.same(parseAnswers(client.text).map(({ statusCode }) => statusCode), [answer.statusCode, 200])
    t.same(guarded.records, [])
    t.same(noise(guarded.log), [])
    await quiet(guarded.app)
  })

  t.test(`after ${answer.what} the next request may come with the rest`, async (t) => {
    const guarded = await start()
    t.teardown(() => guarded.app.close())
    const client = new RawClient(guarded.port)
    await client.write(chunked(answer) + chunk(BODY))
    await client.until(/\r\n\r\n/)
    await client.write(chunk(BODY) + '0\r\n\r\n' + head('GET', '/', { Connection: 'close' }))
    await client.closed
    t.same(parseAnswers(client.text).map(({ statusCode }) => statusCode), [answer.statusCode, 200])
    t.same(guarded.records, [])
    t.same(noise(guarded.log), [])
  })
}

const endings: ReadonlyArray<readonly [what: string, then: (client: RawClient) => unknown, guard?: GuardedAppOptions['guard']]> = [
  ["Node's own timer", () => {}, { linger: { timeout: 2 * REQUEST_TIMEOUT } }],
  ['a bad chunk', (client) => client.write('zz\r\n')],
  ['the end of the connection', (client) => client.fin()],
  ['a reset', (client) => client.rst()],
  ['trickled chunk extensions', (client) => client.write('5;').then(() => trickle(client))],
  ['a stall without linger', () => {}, { linger: false, bodyIdleTimeout: 300 }]
]

for (const answer of early) {
  t.test(`${answer.what} is the only answer`, async (t) => {
    await Promise.all(endings.map(async ([what, then, guard]) => {
      const guarded = await start({
        ...(guard === undefined ? {} : { guard }),
        // Node looks often, and finds the request late before linger has ended.
        fastify: { requestTimeout: what === "Node's own timer" ? REQUEST_TIMEOUT : 0, http: { connectionsCheckingInterval: 50 } }
      })
      t.teardown(() => guarded.app.close())
      const timers: string[] = []
      guarded.app.server.on('clientError', (error: NodeJS.ErrnoException) => { timers.push(error.code ?? '') })
      const client = new RawClient(guarded.port)
      await client.write(chunked(answer) + chunk(BODY))
      await client.until(/\r\n\r\n/)
      await then(client)
      await client.closed
      t.equal(onlyAnswer(client).statusCode, answer.statusCode, `whatever comes of ${what}`)
      if (what === "Node's own timer") t.match(timers, ['ERR_HTTP_REQUEST_TIMEOUT'], 'it fires')
      t.same(guarded.records, [], `no record of ${what}`)
      t.same(noise(guarded.log), [])
      await quiet(guarded.app)
      t.equal(await connectionsOf(guarded.app), 0, `${what} leaves nothing open`)
    }))
  })
}
