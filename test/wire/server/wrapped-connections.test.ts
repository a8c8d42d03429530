import { once } from 'node:events'
import http, { IncomingMessage, ServerResponse } from 'node:http'
import https from 'node:https'
import net, { type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import readGuard, { type AbortRecord, type ReadGuardOptions } from '../../../lib/index.js'
import { certificate } from '../../support/app/certificate.js'
import { guardedApp, noise, type GuardedApp, type GuardedAppOptions } from '../../support/app/guarded-app.js'
import { delay, head, onlyAnswer, parseAnswers, RawClient } from '../../support/client/raw-client.js'
import { until } from '../../support/oracle/until.js'

t.jobs = 8

const LIMIT = 300
const guard: ReadGuardOptions = { headersTimeout: LIMIT, bodyIdleTimeout: LIMIT, bodyLimit: 20, resolution: 50, linger: { timeout: 200 } }
const PROXY = 'PROXY TCP4 203.0.113.9 10.0.0.1 4444 80\r\n'

type ConnectionListener = (this: http.Server, socket: Socket) => void

/** As wrappers for the PROXY protocol do it: the parser gets the connection when their line has been read. */
function readProxyLine (socket: Socket, onRead: () => void): void {
  socket.once('readable', () => {
    const bytes = socket.read() as Buffer | null
    const end = bytes?.indexOf('\r\n') ?? -1
    if (bytes === null || end < 0) return readProxyLine(socket, onRead)
    socket.unshift(bytes.subarray(end + 2))
    onRead()
  })
}

/** Wrappers by how they hand a connection to Node's own listener of 'connection'. */
const wrappers: Readonly<Record<string, (server: http.Server, own: ConnectionListener[]) => void>> = {
  // findhit-proxywrap
  'by an event of their own': (server, own) => {
    for (const listener of own) server.on('proxied', listener)
    server.on('connection', (socket: Socket) => readProxyLine(socket, () => server.emit('proxied', socket)))
  },
  'by a server of their own, which emits again': (server, own) => {
    for (const listener of own) server.on('connection', listener)
    const { emit } = server
    const read = new WeakSet<Socket>()
    Object.assign(server, {
      emit: function (this: http.Server, event: string, ...given: unknown[]): boolean {
        const [socket] = given as [Socket]
        if (event !== 'connection' || read.has(socket)) return Reflect.apply(emit, this, [event, ...given]) as boolean
        readProxyLine(socket, () => {
          read.add(socket)
          this.emit('connection', socket)
        })
        return true
      }
    })
  }
}

function wrapped (wrap: (server: http.Server, own: ConnectionListener[]) => void): NonNullable<GuardedAppOptions['fastify']> {
  return {
    serverFactory: (handler) => {
      const server = http.createServer(handler)
      const own = server.listeners('connection') as ConnectionListener[]
      server.removeAllListeners('connection')
      wrap(server, own)
      return server
    }
  }
}

function routes (app: FastifyInstance): void {
  app.addContentTypeParser('a/b', (_request, _payload, done) => { done(null) })
  app.get('/slow', async () => { await delay(LIMIT) })
  app.post('/', async (request) => {
    let bytes = 0
    for await (const part of request.raw) bytes += (part as Buffer).length
    return `${bytes} bytes`
  })
}

const post = (length: number, more = {}): string => head('POST', '/', { 'Content-Type': 'a/b', 'Content-Length': length, ...more })

async function mustBeGuarded (t: Test, { port, recorded }: GuardedApp, before: string, codes: ReadonlyArray<AbortRecord['code']>): Promise<void> {
  const rows: Readonly<Record<string, readonly [bytes: string, statusCode: number]>> = {
    FST_READ_HEADERS_TIMEOUT: ['POST / HT', 408],
    FST_READ_BODY_IDLE_TIMEOUT: [post(10) + 'x', 408],
    FST_READ_BODY_TOO_LARGE: [post(21) + 'x'.repeat(21), 413],
    FST_READ_MALFORMED: ['GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400]
  }
  for (const [index, code] of codes.entries()) {
    const [bytes, statusCode] = rows[code] ?? ['', 0]
    const client = new RawClient(port)
    await client.write(before + bytes)
    t.match(onlyAnswer(await client.closed), { statusCode, json: { code } })
    t.match((await recorded(index + 1))[index], { code, answered: true })
  }
  // Kept alive, its later heads are guarded too.
  const client = new RawClient(port)
  await client.write(before + post(10) + 'x'.repeat(10))
  await client.until(/10 bytes/)
  await client.write(post(10) + 'x'.repeat(10))
  await client.until(/10 bytes[^]*10 bytes/)
  await client.write('POST / HT')
  t.match(parseAnswers((await client.closed).text).map(({ statusCode }) => statusCode), [200, 200, 408])
}

async function listening (t: Test, server: net.Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => { server.close() })
  return (server.address() as net.AddressInfo).port
}

const all = ['FST_READ_HEADERS_TIMEOUT', 'FST_READ_BODY_IDLE_TIMEOUT', 'FST_READ_BODY_TOO_LARGE', 'FST_READ_MALFORMED'] as const

for (const [how, wrap] of Object.entries(wrappers)) {
  t.test(`a wrapper that reads from a connection first, and hands it over ${how}, changes nothing`, async (t) => {
    const guarded = await guardedApp({ t, guard, routes, fastify: wrapped(wrap) })
    await mustBeGuarded(t, guarded, PROXY, all)
    t.same(noise(guarded.log), [], 'nothing to warn of')
  })

  t.test(`what a wrapper reads is no head, and may take longer than one: ${how}`, async (t) => {
    const guarded = await guardedApp({ t, guard, routes, fastify: wrapped(wrap) })
    const client = new RawClient(guarded.port)
    await client.write(PROXY.slice(0, 9))
    await delay(LIMIT * 2)
    await client.write(PROXY.slice(9) + post(2, { Connection: 'close' }) + 'xx')
    t.equal(onlyAnswer(await client.closed).statusCode, 200)
    t.same(guarded.records, [])
  })
}

/** A wrapper that takes its time between the line and the hand-over, with the socket left in some way. */
const slowWrappers: Readonly<Record<string, (socket: Socket, onRead: (bytes: Buffer) => void) => void>> = {
  'without a listener': (socket, onRead) => {
    socket.once('readable', () => { onRead(socket.read() as Buffer) })
  },
  paused: (socket, onRead) => {
    const onData = (bytes: Buffer): void => {
      socket.pause()
      onRead(bytes)
    }
    socket.on('data', onData)
  },
  'with its bytes left where they are': (socket, onRead) => {
    const onReadable = (): void => {
      const bytes = socket.read() as Buffer | null
      if (bytes === null) return
      socket.unshift(bytes)
      socket.off('readable', onReadable)
      socket.on('readable', () => {})
      onRead(Buffer.alloc(0))
    }
    socket.on('readable', onReadable)
  }
}

for (const [how, read] of Object.entries(slowWrappers)) {
  t.test(`the time in which a wrapper works is not the client's: it leaves the socket ${how}`, async (t) => {
    const WORKS = LIMIT * 4
    const fastify = wrapped((server, own) => {
      server.keepAliveTimeout = LIMIT
      server.on('connection', (socket: Socket) => {
        read(socket, (bytes) => {
          setTimeout(() => {
            socket.removeAllListeners('data').removeAllListeners('readable')
            socket.unshift(bytes)
            for (const listener of own) listener.call(server, socket)
          }, WORKS)
        })
      })
    })
    const { port, records } = await guardedApp({ t, guard, routes, fastify })
    const client = new RawClient(port)
    await client.write(post(2, { Connection: 'close' }) + 'xx')
    t.equal(onlyAnswer(await client.closed).statusCode, 200)
    t.same(records, [])
  })
}

t.test('connections that no event of the server tells of are guarded from their first request on, and one warning says so', async (t) => {
  const guarded = await guardedApp({ t, guard, routes })
  const [nodes] = guarded.app.server.listeners('connection') as ConnectionListener[]
  const port = await listening(t, net.createServer((socket) => nodes?.call(guarded.app.server as http.Server, socket)))
  await mustBeGuarded(t, { ...guarded, port }, '', ['FST_READ_BODY_IDLE_TIMEOUT', 'FST_READ_BODY_TOO_LARGE', 'FST_READ_MALFORMED'])
  t.match(noise(guarded.log).map(({ level, msg }) => [level, msg]), [[40, /past its event connection/]])
})

const handOvers: Readonly<Record<string, (app: FastifyInstance, request: IncomingMessage, response: ServerResponse) => void>> = {
  "server.emit('request')": (app, request, response) => { app.server.emit('request', request, response) },
  'app.routing()': (app, request, response) => { app.routing(request, response) }
}

/** Another server, which keeps requests of `/own`, and hands over all others. */
async function fronted (t: Test, kind: 'http' | 'https', handOver: (app: FastifyInstance, request: IncomingMessage, response: ServerResponse) => void): Promise<GuardedApp> {
  const guarded = await guardedApp({ t, guard, routes })
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    if (request.url !== '/own') return handOver(guarded.app, request, response)
    request.resume().on('error', () => {}).on('end', () => { setTimeout(() => response.end('own'), LIMIT * 2) })
  }
  const front = kind === 'http' ? http.createServer(onRequest) : https.createServer(certificate, onRequest)
  const port = await listening(t, front)
  t.teardown(() => { front.closeAllConnections() })
  return { ...guarded, port }
}

for (const kind of ['http', 'https'] as const) {
  for (const [how, handOver] of Object.entries(handOvers)) {
    t.test(`${kind}: what another server keeps is not judged, nor is a client that rests, on connections whose other requests it hands over by ${how}`, async (t) => {
      const { port, records, log } = await fronted(t, kind, handOver)
      const client = new RawClient(port, { tls: kind === 'https' })
      const requests = [[post(2) + 'xx'], [head('GET', '/own')], [post(2) + 'xx'], [head('POST', '/own', { 'Content-Length': 6 }) + 'abc', 'def'], ['POST / HT', post(2).slice('POST / HT'.length) + 'xx']]
      for (const [index, pieces] of requests.entries()) {
        for (const piece of pieces) {
          await client.write(piece)
          await delay(LIMIT * 2)
        }
        await until(() => parseAnswers(client.text).length === index + 1, 'an answer')
      }
      t.equal(client.socket.readyState, 'open')
      t.same(records, [])
      t.match(noise(log).map(({ msg }) => msg), [/a server that the guard does not know/])
      t.equal(noise(log).length, 1)
      client.fin()
      await client.closed
    })

    t.test(`${kind}: what another server hands over by ${how} is guarded, also behind what it keeps`, async (t) => {
      const { port, recorded } = await fronted(t, kind, handOver)
      const failing = [[post(10) + 'x', 408, 'FST_READ_BODY_IDLE_TIMEOUT'], [post(21) + 'x'.repeat(21), 413, 'FST_READ_BODY_TOO_LARGE']] as const
      let count = 0
      for (const before of ['', head('GET', '/own'), post(2) + 'xx']) {
        for (const [bytes, statusCode, code] of failing) {
          const client = new RawClient(port, { tls: kind === 'https' })
          await client.write(before)
          if (before !== '') await client.until(/ 200 OK/)
          await client.write(bytes)
          t.match(parseAnswers((await client.closed).text).at(-1), { statusCode, json: { code } })
          t.match((await recorded(++count))[count - 1], { code, answered: true })
        }
      }
      for (const leave of ['rst', 'fin'] as const) {
        const leaving = new RawClient(port, { tls: kind === 'https' })
        await leaving.write(post(10) + 'xyz')
        await delay(100)
        leaving[leave]()
        t.match((await recorded(++count))[count - 1], { code: 'FST_READ_ABORTED', phase: 'body', received: 3 })
      }
      const invalid = new RawClient(port, { tls: kind === 'https' })
      await invalid.write(head('POST', '/', { 'Content-Type': 'a/b', 'Transfer-Encoding': 'chunked' }) + '3\r\nxyz\r\nzz\r\n')
      t.match((await recorded(++count))[count - 1], { code: 'FST_READ_MALFORMED', phase: 'body', received: 3 })
      const slow = new RawClient(port, { tls: kind === 'https' })
      await slow.write(head('GET', '/slow'))
      await delay(50)
      slow.rst()
      t.match((await recorded(++count))[count - 1], { code: 'FST_READ_RESPONSE_ABORTED', phase: 'handler' })
    })
  }
}

/** What serverless adapters make of an event: no socket is behind it. */
function emitted (method: string, headers: Readonly<Record<string, string>>, push: (request: IncomingMessage) => void): { request: IncomingMessage, response: ServerResponse, text: () => string } {
  const socket = Object.assign(new Duplex({ read () {}, write (_chunk, _encoding, done) { done() } }), { encrypted: true, remoteAddress: '203.0.113.9' }) as unknown as Socket
  const request = Object.assign(new IncomingMessage(socket), { httpVersion: '1.1', httpVersionMajor: 1, httpVersionMinor: 1, method, url: '/', headers })
  const response = new ServerResponse(request)
  let text = ''
  const collector = Object.assign(new Duplex({ read () {}, write (chunk: Buffer, _encoding, done) { text += String(chunk); done() } }), { destroySoon () {} }) as unknown as Socket
  response.assignSocket(collector)
  push(request)
  return { request, response, text: () => text }
}

const emissions: ReadonlyArray<readonly [name: string, length: number, push: (request: IncomingMessage) => void, code: AbortRecord['code'] | undefined, statusCode: number]> = [
  ['whole', 10, (request) => { request.complete = true; request.push('x'.repeat(10)); request.push(null) }, undefined, 200],
  ['declared too large', 21, (request) => { request.complete = true; request.push('x'.repeat(21)); request.push(null) }, 'FST_READ_BODY_TOO_LARGE', 413],
  ['without an end', 10, (request) => { request.push('x') }, 'FST_READ_BODY_IDLE_TIMEOUT', 408],
  ['too short', 10, (request) => { request.complete = true; request.push('x'); request.push(null) }, 'FST_READ_LENGTH_MISMATCH', 400],
  ['larger than allowed, bit by bit', 0, (request) => { for (let i = 0; i < 3; i++) setImmediate(() => request.push('x'.repeat(10))) }, 'FST_READ_BODY_TOO_LARGE', 413]
]

for (const way of ["server.emit('request')", 'app.routing()'] as const) {
  for (const [name, length, push, code, statusCode] of emissions) {
    t.test(`${way} of an adapter is guarded: a body that is ${name}`, async (t) => {
      const records: AbortRecord[] = []
      const app = fastify()
      await app.register(readGuard, { ...guard, onAbort: (record) => { records.push(record) } })
      routes(app)
      await app.ready()
      t.teardown(() => app.close())
      const headers = length === 0 ? { 'transfer-encoding': 'chunked' } : { 'content-length': String(length) }
      const { request, response, text } = emitted('POST', { host: 'a', 'content-type': 'a/b', ...headers }, push)
      if (way === 'app.routing()') app.routing(request, response)
      else app.server.emit('request', request, response)
      // The loop has nothing else to wait for.
      await until(() => text().includes('\r\n\r\n'), 'an answer')
      t.match(text(), new RegExp(`^HTTP/1.1 ${statusCode} `))
      await until(() => records.length === (code === undefined ? 0 : 1), 'its record')
      if (code !== undefined) t.match(records, [{ code, method: 'POST', route: '/', remoteAddress: '203.0.113.9', protocol: 'http/1.1', tls: true }])
    })
  }
}

t.test("server.emit('connection') is guarded like any other", async (t) => {
  const guarded = await guardedApp({ t, guard, routes })
  const port = await listening(t, net.createServer((socket) => { guarded.app.server.emit('connection', socket) }))
  await mustBeGuarded(t, { ...guarded, port }, '', all)
  t.same(noise(guarded.log), [])
})
