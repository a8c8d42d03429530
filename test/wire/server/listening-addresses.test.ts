import diagnosticsChannel from 'node:diagnostics_channel'
import http from 'node:http'
import type { Server } from 'node:http'
import http2, { type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import https from 'node:https'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import fastify, { type FastifyInstance } from 'fastify'
import readGuard, { type AbortRecord } from '../../../lib/index.js'
import { certificate } from '../../support/app/certificate.js'
import { guardedApp, type GuardedApp, type GuardedAppOptions } from '../../support/app/guarded-app.js'
import { localhosts, twoLocalhosts } from '../../support/app/two-localhosts.js'
import { Http2Client } from '../../support/client/http2-client.js'
import { data, headers, requestBlock } from '../../support/client/http2-frames.js'
import { head, onlyAnswer, RawClient } from '../../support/client/raw-client.js'
import { until } from '../../support/oracle/until.js'

t.jobs = 20
twoLocalhosts()

const LIMIT = 300
const SLACK = 2
const guard = { handshakeTimeout: LIMIT, headersTimeout: LIMIT, bodyIdleTimeout: LIMIT, resolution: 50, linger: { timeout: 200, bytes: 100_000 } } as const

const routes = (app: FastifyInstance): void => { app.post('/', async () => 'ok') }

function start (options: GuardedAppOptions): Promise<GuardedApp> {
  // Silence is for both.
  return guardedApp({ guard, routes, fastify: { keepAliveTimeout: LIMIT }, ...options })
}

/** What a client of HTTP/1 does, and what it and the record then show. */
interface Failure {
  readonly name: string
  readonly bytes: string
  readonly statusCode: number | undefined
  readonly record: Partial<AbortRecord>
}

const failures: readonly Failure[] = [
  { name: 'silence', bytes: '', statusCode: undefined, record: { code: 'FST_READ_HEADERS_TIMEOUT', phase: 'headers', received: 0 } },
  { name: 'half a head', bytes: 'POST / HTTP/1.1\r\n', statusCode: 408, record: { code: 'FST_READ_HEADERS_TIMEOUT', phase: 'headers' } },
  { name: 'half a body', bytes: head('POST', '/', { 'Content-Type': 'text/plain', 'Content-Length': 10 }) + 'x', statusCode: 408, record: { code: 'FST_READ_BODY_IDLE_TIMEOUT', phase: 'body', received: 1 } },
  { name: 'garbage', bytes: '\0\r\n\r\n', statusCode: 400, record: { code: 'FST_READ_MALFORMED', phase: 'headers' } }
]

for (const [name, protocol, tls] of [['http', 'http', false], ['https', 'https', true], ['HTTP/1 of an HTTP/2 server', 'h2+http1', true]] as const) {
  for (const host of localhosts) {
    for (const failure of failures) {
      t.test(`${name}: ${failure.name} on ${host}, the first that it gets, is guarded`, async (t) => {
        const { app, port, recorded } = await start({ protocol, listen: { host: 'localhost' } })
        const client = new RawClient(port, { host, tls })
        await client.write(failure.bytes)
        const seen = await client.closed
        const records = await recorded()
        await app.close()
        if (failure.statusCode === undefined) t.equal(seen.text, '')
        else t.match(onlyAnswer(seen), { statusCode: failure.statusCode, json: { code: failure.record.code } })
        t.match(records, [{ ...failure.record, tls, protocol: 'http/1.1' }])
        t.equal(records.length, 1)
        if (failure.statusCode !== 400) t.ok(seen.elapsed >= LIMIT - SLACK, `not before the limit (${seen.elapsed})`)
      })
    }

    if (tls) {
      t.test(`${name}: a silent handshake on ${host} is guarded`, async (t) => {
        const { app, port, recorded } = await start({ protocol, listen: { host: 'localhost' } })
        const client = new RawClient(port, { host })
        await client.closed
        t.match(await recorded(), [{ code: 'FST_READ_HANDSHAKE_TIMEOUT' }])
        await app.close()
      })
    }
  }
}

for (const [name, protocol, tls] of [['cleartext HTTP/2', 'h2c', false], ['HTTP/2', 'h2', true], ['HTTP/2 with allowHTTP1', 'h2+http1', true]] as const) {
  for (const host of localhosts) {
    t.test(`${name}: silence and half a body on ${host} are guarded`, async (t) => {
      const { app, port, recorded } = await start({ protocol, listen: { host: 'localhost' } })
      const silent = new RawClient(port, { host, tls, alpn: 'h2' })
      await silent.closed
      t.match(await recorded(), [{ code: 'FST_READ_HEADERS_TIMEOUT', received: 0, protocol: 'h2', tls }])
      const client = await new Http2Client(port, { host, tls }).open()
      await client.write(headers(1, requestBlock('POST', '/', { 'content-type': 'text/plain' })), data(1, 'x'))
      t.match(await client.answer(1), { statusCode: 408, json: { code: 'FST_READ_BODY_IDLE_TIMEOUT' } })
      t.match((await recorded(2))[1], { code: 'FST_READ_BODY_IDLE_TIMEOUT', received: 1, protocol: 'h2', tls })
      client.raw.socket.destroy()
      await app.close()
    })
  }
}

t.test("Node's own timer stands behind the guard's on every address", async (t) => {
  const servers = new Set<Server>()
  const onSocket = (message: unknown): void => { servers.add((message as { socket: Socket & { server: Server } }).socket.server) }
  diagnosticsChannel.subscribe('net.server.socket', onSocket)
  const { app, port } = await start({ listen: { host: 'localhost' }, guard: { ...guard, headersTimeout: 7_000 } })
  for (const host of localhosts) {
    const client = new RawClient(port, { host })
    await client.write(head('GET', '/', { Connection: 'close' }))
    await client.closed
  }
  diagnosticsChannel.unsubscribe('net.server.socket', onSocket)
  await app.close()
  const ours = [...servers].filter(({ headersTimeout }) => headersTimeout === 8_000)
  t.equal(ours.length, 2)
  for (const { connectionsCheckingInterval } of ours as Array<Server & { connectionsCheckingInterval?: number }>) t.equal(connectionsCheckingInterval, 1_000)
})

t.test('an upgrade on the second address that nobody takes is still a head that goes nowhere', async (t) => {
  // Fastify listens for it there, whether the application does or not, so that Node gives the connection away.
  const { app, port, recorded } = await start({ listen: { host: 'localhost' } })
  const client = new RawClient(port, { host: localhosts[1] })
  await client.write(head('GET', '/', { Connection: 'Upgrade', Upgrade: 'x' }))
  const { elapsed } = await client.closed
  t.ok(elapsed >= LIMIT - SLACK)
  t.match(await recorded(), [{ code: 'FST_READ_HEADERS_TIMEOUT' }])
  await app.close()
})

t.test('a Unix socket is guarded', async (t) => {
  const path = join(tmpdir(), `read-guard-${process.pid}.sock`)
  const { app, recorded } = await start({ listen: { path } })
  for (const [index, { bytes, statusCode, record }] of failures.entries()) {
    const client = new RawClient(0, { path })
    await client.write(bytes)
    const seen = await client.closed
    if (statusCode === undefined) t.equal(seen.text, '')
    else t.match(onlyAnswer(seen), { statusCode, json: { code: record.code } })
    t.match((await recorded(index + 1))[index], { ...record, remoteAddress: undefined, remotePort: undefined })
  }
  await app.close()
})

t.test('of several applications in one process each keeps to its own', async (t) => {
  const slow = await start({ listen: { host: 'localhost' }, guard: { ...guard, headersTimeout: LIMIT * 2 } })
  const fast = await start({ listen: { host: 'localhost' } })
  const free = fastify()
  await free.listen({ port: 0, host: 'localhost' })
  const freePort = (free.server.address() as { port: number }).port
  for (const host of localhosts) {
    const unguarded = new RawClient(freePort, { host })
    const [first, second] = await Promise.all([new RawClient(fast.port, { host }).closed, new RawClient(slow.port, { host }).closed])
    t.ok(first.elapsed >= LIMIT - SLACK, `${first.elapsed}`)
    t.ok(second.elapsed >= LIMIT * 2 - SLACK, `${second.elapsed}`)
    t.notOk(unguarded.socket.destroyed, 'one without a guard has none')
    unguarded.socket.destroy()
  }
  await Promise.all([fast.recorded(2), slow.recorded(2)])
  await Promise.all([slow, fast].map(({ app }) => app.close()))
  await free.close()
  t.match(fast.records, [{ limit: LIMIT }, { limit: LIMIT }])
  t.equal(fast.records.length, 2)
  t.match(slow.records, [{ limit: LIMIT * 2 }, { limit: LIMIT * 2 }])
  t.equal(slow.records.length, 2)
})

const factories: ReadonlyArray<readonly [name: string, tls: boolean, make: (listener: http.RequestListener) => Server]> = [
  ['http', false, listener => http.createServer(listener)],
  ['https', true, listener => https.createServer(certificate, listener)]
]

for (const [name, tls, make] of factories) {
  t.test(`a server of the application's own making is guarded (${name})`, async (t) => {
    const { app, port, recorded } = await start({
      listen: { host: 'localhost' },
      fastify: { serverFactory: (handler) => make((request, response) => { handler(request, response) }) }
    })
    for (const [index, { bytes, statusCode, record }] of failures.entries()) {
      const client = new RawClient(port, { tls })
      await client.write(bytes)
      const seen = await client.closed
      if (statusCode === undefined) t.equal(seen.text, '')
      else t.match(onlyAnswer(seen), { statusCode, json: { code: record.code } })
      t.match((await recorded(index + 1))[index], { ...record, tls })
    }
    await app.close()
  })
}

type Listener = (request: Http2ServerRequest, response: Http2ServerResponse) => void

const http2Factories: ReadonlyArray<readonly [name: string, tls: boolean, make: (listener: Listener) => unknown]> = [
  ['cleartext HTTP/2', false, listener => http2.createServer(listener)],
  ['HTTP/2', true, listener => http2.createSecureServer(certificate, listener)]
]

for (const [name, tls, make] of http2Factories) {
  t.test(`a server of the application's own making is guarded (${name})`, async (t) => {
    const { app, port, recorded, records } = await start({
      listen: { host: 'localhost' },
      fastify: { http2: true, serverFactory: (handler: Listener) => make((request, response) => { handler(request, response) }) } as object
    })
    const silent = new RawClient(port, { tls, alpn: 'h2' })
    await silent.closed
    t.match(await recorded(), [{ code: 'FST_READ_HEADERS_TIMEOUT', received: 0, protocol: 'h2', tls }])
    const client = await new Http2Client(port, { tls }).open()
    await client.write(headers(1, requestBlock('POST', '/', { 'content-type': 'text/plain' })), data(1, 'x'))
    t.match(await client.answer(1), { statusCode: 408, json: { code: 'FST_READ_BODY_IDLE_TIMEOUT' } })
    t.match((await recorded(2))[1], { code: 'FST_READ_BODY_IDLE_TIMEOUT', received: 1, protocol: 'h2', tls })
    client.raw.socket.destroy()
    await app.close()
    t.equal(records.length, 2)
  })
}

const registrations: Readonly<Record<string, (app: FastifyInstance, onAbort: (record: AbortRecord) => void) => unknown>> = {
  'before the routes, awaited': async (app, onAbort) => {
    await app.register(readGuard, { ...guard, onAbort })
    app.post('/', async () => 'ok')
  },
  'before the routes, not awaited': (app, onAbort) => {
    app.register(readGuard, { ...guard, onAbort })
    app.post('/', async () => 'ok')
  },
  'after the routes': async (app, onAbort) => {
    app.post('/', async () => 'ok')
    await app.register(readGuard, { ...guard, onAbort })
  },
  'by import()': (app, onAbort) => {
    app.register(import('../../../lib/index.js'), { ...guard, onAbort })
    app.post('/', async () => 'ok')
  },
  'in a plugin of its own': (app, onAbort) => {
    app.post('/', async () => 'ok')
    app.register(async (child) => { await child.register(readGuard, { ...guard, onAbort }) })
  }
}

for (const [name, register] of Object.entries(registrations)) {
  t.test(`registered ${name}, it guards the whole server`, async (t) => {
    const records: AbortRecord[] = []
    const app = fastify({ keepAliveTimeout: LIMIT })
    await register(app, (record) => { records.push(record) })
    await app.listen({ port: 0, host: 'localhost' })
    const { port } = app.server.address() as { port: number }
    for (const [index, { bytes, statusCode, record }] of failures.entries()) {
      const client = new RawClient(port, { host: localhosts[1] })
      await client.write(bytes)
      const seen = await client.closed
      if (statusCode === undefined) t.equal(seen.text, '')
      else t.match(onlyAnswer(seen), { statusCode, json: { code: record.code } })
      await until(() => records.length > index, 'a record')
      t.match(records[index], record)
    }
    await app.close()
    t.equal(records.length, failures.length)
  })
}

t.test('an HTTP/2 server with allowHTTP1 guards both kinds of clients', async (t) => {
  const { app, port, recorded } = await start({ protocol: 'h2+http1' })
  for (const [index, { bytes, statusCode, record }] of failures.entries()) {
    const client = new RawClient(port, { tls: true })
    await client.write(bytes)
    const seen = await client.closed
    if (statusCode === undefined) t.equal(seen.text, '')
    else t.match(onlyAnswer(seen), { statusCode, json: { code: record.code } })
    t.match((await recorded(index + 1))[index], { ...record, protocol: 'http/1.1', tls: true })
  }
  const client = await new Http2Client(port, { tls: true }).open()
  await client.write(headers(1, requestBlock('POST', '/', { 'content-type': 'text/plain' })), data(1, 'x'))
  t.equal((await client.answer(1)).statusCode, 408)
  await client.write(headers(3, requestBlock('POST', '/').subarray(0, 10), 0))
  await client.closed
  t.match((await recorded(failures.length + 2)).slice(failures.length), [{ phase: 'body', protocol: 'h2' }, { phase: 'headers', protocol: 'h2' }])
  await app.close()
})

const twice: Readonly<Record<string, (app: FastifyInstance) => void>> = {
  'in the same place': (app) => { app.register(readGuard).register(readGuard) },
  'in two places that know nothing of each other': (app) => {
    app.register(async (child) => { await child.register(readGuard) })
    app.register(async (child) => { await child.register(readGuard) })
  }
}

for (const [where, register] of Object.entries(twice)) {
  t.test(`registered twice ${where}, it says so`, async (t) => {
    const app = fastify()
    register(app)
    await t.rejects(async () => { await app.ready() }, { code: 'FST_READ_OPTIONS_INVALID', message: /can be registered once/ })
  })
}

t.test('what is wrong with the options is told to whoever registers it', async (t) => {
  const app = fastify()
  await t.rejects(async () => { await app.register(readGuard, { headersTimeout: -1 }) }, { code: 'FST_READ_OPTIONS_INVALID' })
})
