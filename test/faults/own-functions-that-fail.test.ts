import diagnosticsChannel from 'node:diagnostics_channel'
import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import type { AbortRecord, ReadError, ReadGuardOptions } from '../../lib/index.js'
import { guardedApp, type GuardedApp } from '../support/app/guarded-app.js'
import type { Protocol } from '../support/app/transport.js'
import { Http2Client } from '../support/client/http2-client.js'
import { data, Flag, headers, requestBlock } from '../support/client/http2-frames.js'
import { chunk, head, parseAnswers, RawClient } from '../support/client/raw-client.js'
import { Crashes } from '../support/oracle/crashes.js'
import { deserted, quiet } from '../support/oracle/server-state.js'
import { until } from '../support/oracle/until.js'

/*
 * What an application gives to Fastify and to the guard throws, or never comes to an end, while clients fail: whatever it is, the
 * process lives, the consumer of the body is told, every client has its answer or its end, and a good client beside is served.
 */

// Most of the time is spent waiting.
t.jobs = 100

const LIMIT = 200
/** An answer that does not come to its end is given up after five graces of 2 s. */
const BOUNDED = 13_000

const OWN_ERROR = 'of the application'
const fail = (): never => { throw new Error(OWN_ERROR) }
const never = (): Promise<never> => new Promise(() => {})
const ways = { throws: fail, 'never settles': never } as const

/** What fails, by how it is put into an application. */
interface Fault {
  readonly guard?: ReadGuardOptions
  readonly fastify?: FastifyServerOptions
  readonly install?: (app: FastifyInstance) => void
  /** What else a client may get that fails in its body; 0 is an end without an answer. */
  readonly mayGet?: readonly number[]
  /** It comes before the body is read: what fails afterwards may be no read any more, or not one yet. */
  readonly isBeforeBody?: boolean
  /** It is of all applications of the process, and has to be alone. */
  readonly isOfProcess?: boolean
  /** What is thrown comes to the process, which is what Node does with it. */
  readonly reachesProcess?: 'for each record' | 'for each request'
}

const isFaulty = (request: FastifyRequest): boolean => request.url.startsWith('/faulty')

function logger (own: object): FastifyServerOptions {
  return { logger: { level: 'warn', stream: { write: () => {} }, ...own } }
}

/** An answer that never comes is cut, and one that was thrown at is the framework's 500. */
const orElse = { throws: [500], 'never settles': [0] } as const

const faults: Record<string, Fault> = {}
for (const way of ['throws', 'never settles'] as const) {
  const act: () => unknown = ways[way]
  const mayGet = orElse[way]
  const before = { mayGet: [500], isBeforeBody: true }
  faults[`an onAbort that ${way}`] = { guard: { onAbort: () => { act() } } }
  faults[`an async onAbort that ${way}`] = { guard: { onAbort: async () => { await act() } } }
  faults[`an error handler that ${way}`] = { mayGet, install: (app) => { app.setErrorHandler((error, request, reply) => isFaulty(request) ? act() : reply.send(error)) } }
  faults[`an async error handler that ${way}`] = { mayGet, install: (app) => { app.setErrorHandler(async (error: Error, request, reply) => isFaulty(request) ? await act() : reply.send(error)) } }
  faults[`an onError hook that ${way}`] = { mayGet, install: (app) => { app.addHook('onError', async (request) => { if (isFaulty(request)) await act() }) } }
  faults[`an onSend hook that ${way}`] = { mayGet, install: (app) => { app.addHook('onSend', async (request) => { if (isFaulty(request)) await act() }) } }
  faults[`an onResponse hook that ${way}`] = { install: (app) => { app.addHook('onResponse', async (request) => { if (isFaulty(request)) await act() }) } }
  faults[`an onRequest hook that ${way}`] = { ...before, install: (app) => { app.addHook('onRequest', async (request) => { if (isFaulty(request)) await act() }) } }
  faults[`a preParsing hook that ${way}`] = { ...before, install: (app) => { app.addHook('preParsing', async (request) => { if (isFaulty(request)) await act() }) } }
  faults[`a content type parser that ${way}`] = {
    ...before,
    install: (app) => {
      app.addContentTypeParser('text/plain', async (request: FastifyRequest, payload: Readable) => {
        if (isFaulty(request)) return await act()
        return Buffer.concat(await payload.toArray()).toString()
      })
    }
  }
}
Object.assign(faults, {
  'a reply serializer that throws': { install: (app) => { app.setReplySerializer(fail) }, mayGet: [500, 0] },
  'a req serializer that throws': { fastify: logger({ serializers: { req: fail } }) },
  'a serializer of the record that throws': { fastify: logger({ serializers: { abort: fail } }) },
  'a mixin of the logger that throws': { fastify: logger({ mixin: fail }) },
  'a formatter of the logger that throws': { fastify: logger({ formatters: { log: fail } }) },
  'a log stream that throws': { fastify: { logger: { level: 'warn', stream: { write: fail } } } },
  'a subscriber of the channel that throws': {
    install: (app) => {
      const subscriber = (): never => fail()
      diagnosticsChannel.subscribe('fastify-read-guard.abort', subscriber)
      app.addHook('onClose', async () => { diagnosticsChannel.unsubscribe('fastify-read-guard.abort', subscriber) })
    },
    reachesProcess: 'for each record',
    isOfProcess: true
  },
  'a listener of the signal that throws': {
    install: (app) => { app.addHook('onRequest', async (request) => { if (isFaulty(request)) request.readGuard.signal.addEventListener('abort', fail) }) },
    reachesProcess: 'for each request'
  },
  'a subscriber of the channel that never settles': {
    install: (app) => {
      diagnosticsChannel.subscribe('fastify-read-guard.abort', never)
      app.addHook('onClose', async () => { diagnosticsChannel.unsubscribe('fastify-read-guard.abort', never) })
    },
    isOfProcess: true
  }
} satisfies Record<string, Fault>)

/** What the consumer of each body was told, by the URL of its request. */
type Told = Map<string, ReadError>

interface FaultyApp extends GuardedApp {
  readonly told: Told
}

async function faultyApp ({ guard, fastify, install }: Fault, protocol: Protocol): Promise<FaultyApp> {
  const told: Told = new Map()
  const guarded = await guardedApp({
    protocol,
    fastify: fastify ?? {},
    guard: { headersTimeout: LIMIT, bodyIdleTimeout: LIMIT, bodyLimit: 1_000, responseIdleTimeout: LIMIT, resolution: 20, ...guard },
    routes: (app) => {
      app.addContentTypeParser('application/x-stream', (_request, _payload, done) => done(null))
      install?.(app)
      const read = async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
        if (request.headers['content-type'] !== 'application/x-stream') return { read: true }
        request.raw.once('error', (error: ReadError) => { told.set(request.url, error) })
        await request.raw.toArray()
        return reply.send({ read: true })
      }
      app.post('/faulty/*', read)
      app.post('/good', read)
      app.get('/faulty/slow', () => never())
    }
  })
  return { ...guarded, told }
}

const BOUNDED_ERROR = `is at its end after ${BOUNDED} ms`

async function inTime<T> (what: string, end: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => { timer = setTimeout(() => reject(new Error(`${what} ${BOUNDED_ERROR}`)), BOUNDED) })
  return Promise.race([end, late]).finally(() => clearTimeout(timer))
}

type Code = AbortRecord['code']

/** Clients of HTTP/1 that fail, each by another code, with the status of its answer; 0 is none. */
const failing: ReadonlyArray<readonly [name: string, code: Code, status: number, act: (client: RawClient, type: string) => Promise<unknown>]> = [
  ['stalls in the body', 'FST_READ_BODY_IDLE_TIMEOUT', 408, (client, type) => client.write(head('POST', '/faulty/stalled', { 'Content-Type': type, 'Content-Length': 9 }) + 'a')],
  ['sends too much', 'FST_READ_BODY_TOO_LARGE', 413, (client, type) => client.write(head('POST', '/faulty/large', { 'Content-Type': type, 'Transfer-Encoding': 'chunked' }) + chunk('a'.repeat(1_500)))],
  ['breaks the framing', 'FST_READ_MALFORMED', 400, (client, type) => client.write(head('POST', '/faulty/malformed', { 'Content-Type': type, 'Transfer-Encoding': 'chunked' }) + 'zz\r\n')],
  ['stalls in the head', 'FST_READ_HEADERS_TIMEOUT', 408, (client) => client.write('POST /faulty/head HTTP/1.1\r\nHo')],
  ['leaves in the body', 'FST_READ_ABORTED', 0, async (client, type) => {
    await client.write(head('POST', '/faulty/left', { 'Content-Type': type, 'Content-Length': 9 }) + 'a')
    setTimeout(() => client.rst(), 100)
  }]
]
const types = ['text/plain', 'application/x-stream']

/** What must be recorded is, once for each; of what fails before its body is read, no more than that. */
async function expectRecords (t: Test, { isBeforeBody = false }: Fault, { records }: GuardedApp, codes: readonly Code[]): Promise<void> {
  const sure = codes.filter((code) => !isBeforeBody || code === 'FST_READ_HEADERS_TIMEOUT')
  const isThere = (): boolean => sure.every((code) => records.filter((record) => record.code === code).length >= sure.filter((other) => other === code).length)
  await until(isThere, `${sure.join(', ')}, got ${records.map(({ code }) => code).join(', ')}`, BOUNDED)
  if (isBeforeBody) {
    const requests = records.flatMap(({ reqId }) => reqId ?? [])
    t.equal(new Set(requests).size, requests.length, 'no request has two records')
  } else {
    t.strictSame(records.map(({ code }) => code).sort(), [...codes].sort(), 'one record for each')
  }
}

async function goodClient (port: number, tls: boolean): Promise<number | undefined> {
  const client = new RawClient(port, { tls })
  await client.write(head('POST', '/good', { 'Content-Type': 'text/plain', 'Content-Length': 3, Connection: 'close' }) + 'abc')
  return parseAnswers((await client.closed).text)[0]?.statusCode
}

/** Where the process itself is told, of what it should be told and of nothing else. */
const processErrors = new Crashes()
let expected = 0

async function expectClosing (t: Test, { app }: GuardedApp): Promise<void> {
  await quiet(app)
  await deserted(app)
  await inTime('closing', app.close())
  t.pass('the server closes')
}

function http1 (name: string, fault: Fault, protocol: 'http' | 'https'): Promise<unknown> {
  return t.test(`${name} hurts nobody, over ${protocol}`, async (t) => {
    const { mayGet = [], isBeforeBody = false } = fault
    const guarded = await faultyApp(fault, protocol)
    const { port, told } = guarded
    const tls = protocol === 'https'
    const good = name.includes('reply serializer') ? 500 : 200
    const clients = types.flatMap((type) => failing.map((client) => [type, ...client] as const))
    const outcomes = clients.map(async ([type, what, code, status, act]) => {
      const client = new RawClient(port, { tls })
      await client.ready()
      await act(client, type)
      const { text } = await inTime(`a client that ${what} with ${type}`, client.closed)
      const got = text === '' ? 0 : parseAnswers(text)[0]?.statusCode ?? 0
      const isInBody = code !== 'FST_READ_HEADERS_TIMEOUT' && (code !== 'FST_READ_ABORTED' || isBeforeBody)
      const may = [status, ...isInBody ? mayGet : []]
      t.ok(may.includes(got), `a client that ${what} with ${type} has ${got}, of ${may.join(' or ')}`)
    })
    t.equal(await goodClient(port, tls), good, 'a good client is served meanwhile')
    await Promise.all(outcomes)
    await expectRecords(t, fault, guarded, clients.map(([, , code]) => code))
    for (const [url, { code }] of told) t.match(code, /^FST_READ_/, `the consumer of ${url} was told`)
    if (fault.reachesProcess === 'for each record') expected += clients.length
    if (fault.reachesProcess === 'for each request') expected += clients.filter(([, , code]) => code !== 'FST_READ_HEADERS_TIMEOUT').length
    t.equal(await goodClient(port, tls), good, 'a good client is served afterwards')
    await expectClosing(t, guarded)
  })
}

function http2 (name: string, fault: Fault): Promise<unknown> {
  return t.test(`${name} hurts nobody, over HTTP/2`, async (t) => {
    const { mayGet = [], isBeforeBody = false } = fault
    const guarded = await faultyApp(fault, 'h2')
    const client = await new Http2Client(guarded.port, { tls: true }).open()
    const post = (stream: number, path: string): Buffer => headers(stream, requestBlock('POST', path, { 'content-type': 'text/plain' }))
    await client.write(post(1, '/faulty/stalled'), data(1, 'a'), post(3, '/faulty/large'), data(3, 'a'.repeat(1_500)), post(5, '/good'), data(5, 'abc', Flag.END_STREAM))
    t.equal((await inTime('a good stream', client.answer(5))).statusCode, name.includes('reply serializer') ? 500 : 200, 'a good stream is served')
    // Of a body that is not read yet, the window of its stream bounds what comes: it is the application that is waited for.
    const isHeld = isBeforeBody && name.includes('never settles')
    if (!isHeld) {
      const [stalled, large] = await inTime('a stream', Promise.all([client.answer(1), client.answer(3)]))
      t.ok([408, ...mayGet].includes(stalled.statusCode ?? 0), `a stream that stalls has ${stalled.statusCode}`)
      t.ok([413, ...mayGet].includes(large.statusCode ?? 0), `a stream that is too large has ${large.statusCode}`)
      await expectRecords(t, fault, guarded, ['FST_READ_BODY_IDLE_TIMEOUT', 'FST_READ_BODY_TOO_LARGE'])
    }
    if (fault.reachesProcess !== undefined) expected += 2
    client.raw.socket.destroy()
    if (isHeld) {
      await until(() => guarded.records.length >= 2, 'both clients have left', BOUNDED)
      t.match(guarded.records, [{ blame: 'client_gone' }, { blame: 'client_gone' }])
    }
    await expectClosing(t, guarded)
  })
}

const all = Object.entries(faults)
const [ofProcess, ofApplication] = [all.filter(([, fault]) => fault.isOfProcess === true), all.filter(([, fault]) => fault.isOfProcess !== true)]
await Promise.all(ofApplication.flatMap(([name, fault]) => [http1(name, fault, 'http'), http1(name, fault, 'https'), http2(name, fault)]))
for (const [name, fault] of ofProcess) {
  await http1(name, fault, 'http')
  await http1(name, fault, 'https')
  await http2(name, fault)
}

t.test('nothing else came to the process', async (t) => {
  const crashes = processErrors.stop()
  t.strictSame(crashes.filter(({ what }) => !what.endsWith(OWN_ERROR)), [])
  t.equal(crashes.length, expected, 'exceptions that Node gives to the process')
})
