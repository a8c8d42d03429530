import t from 'tap'
import type { AbortRecord, ReadGuardOptions } from '../../lib/index.js'
import { guardedApp, type GuardedApp } from '../support/app/guarded-app.js'
import { transport } from '../support/app/transport.js'
import { chunk, head, RawClient } from '../support/client/raw-client.js'

t.jobs = 8

const LIMIT = 200
const MIN_RATE = { bytesPerSecond: 1_000, gracePeriod: LIMIT }

/** Every key of a record, as the contract has them. */
const KEYS = [
  'code', 'reason', 'phase', 'blame', 'statusCode', 'answered', 'received', 'expected', 'sent', 'limit', 'elapsed', 'paused', 'idle', 'rate', 'method', 'url',
  'route', 'reqId', 'ip', 'remoteAddress', 'remotePort', 'protocol', 'tls', 'observed', 'time'
]

type Measured = 'elapsed' | 'paused' | 'idle' | 'rate' | 'time' | 'remotePort'

interface Row {
  readonly name: string
  readonly guard?: ReadGuardOptions
  readonly send: (client: RawClient) => Promise<unknown> | unknown
  /** What differs from a body of two of nine bytes, refused with an answer. */
  readonly record: Partial<Omit<AbortRecord, Measured>> & Pick<AbortRecord, 'code' | 'reason'>
  readonly level: 'debug' | 'info' | 'warn'
  /** Fastify's default where it is not given. */
  readonly keepAliveTimeout?: number
  /** Counted milliseconds that must have passed. */
  readonly waits?: number
}

const post = head('POST', '/things/7?q=1', { 'Content-Type': 'text/plain', 'Content-Length': 9 })
const chunked = head('POST', '/things/7?q=1', { 'Content-Type': 'text/plain', 'Transfer-Encoding': 'chunked' })
const stall = (client: RawClient): Promise<void> => client.write(`${post}ab`)
const unrouted = { phase: 'headers', method: undefined, url: undefined, route: undefined, reqId: undefined, ip: undefined, expected: undefined } as const
const left = { code: 'FST_READ_ABORTED', reason: 'client_aborted', blame: 'client_gone', statusCode: 499, answered: false, limit: undefined } as const
const leave = async (client: RawClient, bytes: string): Promise<void> => {
  await client.write(bytes)
  client.fin()
}

const rows: readonly Row[] = [
  { name: 'a silent connection', keepAliveTimeout: 1, send: () => {}, record: { ...unrouted, code: 'FST_READ_HEADERS_TIMEOUT', reason: 'headers_timeout', answered: false, received: 0 }, level: 'debug', waits: LIMIT },
  { name: 'a head that stalls', send: client => client.write('GET /thi'), record: { ...unrouted, code: 'FST_READ_HEADERS_TIMEOUT', reason: 'headers_timeout', received: 8 }, level: 'warn', waits: LIMIT },
  { name: 'a head that is too slow', guard: { headersTimeout: 0, minHeadersRate: { bytesPerSecond: 1_000_000, gracePeriod: LIMIT } }, send: client => client.write('GET /thi'), record: { ...unrouted, code: 'FST_READ_HEADERS_TOO_SLOW', reason: 'headers_too_slow', received: 8, limit: 1_000_000 }, level: 'warn', waits: LIMIT },
  { name: 'a head that is too large', send: client => client.write(`GET /${'x'.repeat(16_384)}`), record: { ...unrouted, code: 'FST_READ_HEADERS_TOO_LARGE', reason: 'headers_too_large', blame: 'client_invalid', statusCode: 431, received: 16_389, limit: 16_384 }, level: 'warn' },
  { name: 'garbage', send: client => client.write('\0garbage\r\n\r\n'), record: { ...unrouted, code: 'FST_READ_MALFORMED', reason: 'malformed', blame: 'client_invalid', statusCode: 400, received: 12, limit: undefined }, level: 'warn' },
  { name: 'a second Host', send: client => client.write('GET /things/7 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'), record: { ...unrouted, code: 'FST_READ_MALFORMED', reason: 'malformed', blame: 'client_invalid', statusCode: 400, received: 44, limit: undefined, method: 'GET', url: '/things/7' }, level: 'warn' },
  { name: 'a client that leaves in its head', send: client => leave(client, 'GET /'), record: { ...unrouted, ...left, received: 5 }, level: 'info' },
  { name: 'a client that leaves without a word', send: client => client.fin(), record: { ...unrouted, ...left, received: 0 }, level: 'debug' },

  { name: 'a body that stalls', guard: { bodyIdleTimeout: LIMIT }, send: stall, record: { code: 'FST_READ_BODY_IDLE_TIMEOUT', reason: 'body_idle_timeout' }, level: 'warn', waits: LIMIT },
  { name: 'a body of which no byte comes', guard: { bodyIdleTimeout: LIMIT }, send: client => client.write(post), record: { code: 'FST_READ_BODY_IDLE_TIMEOUT', reason: 'body_idle_timeout', received: 0 }, level: 'warn', waits: LIMIT },
  { name: 'a body that takes too long', guard: { bodyTimeout: LIMIT }, send: stall, record: { code: 'FST_READ_BODY_TIMEOUT', reason: 'body_timeout' }, level: 'warn', waits: LIMIT },
  { name: 'a body that is too slow', guard: { minBodyRate: MIN_RATE }, send: stall, record: { code: 'FST_READ_BODY_TOO_SLOW', reason: 'body_too_slow', limit: 1_000 }, level: 'warn', waits: LIMIT },
  { name: 'a chunked body that stalls', guard: { bodyIdleTimeout: LIMIT }, send: client => client.write(chunked + chunk('ab')), record: { code: 'FST_READ_BODY_IDLE_TIMEOUT', reason: 'body_idle_timeout', expected: undefined }, level: 'warn', waits: LIMIT },
  { name: 'a body that is declared too large', guard: { bodyLimit: 8 }, send: stall, record: { code: 'FST_READ_BODY_TOO_LARGE', reason: 'body_too_large', blame: 'client_invalid', statusCode: 413, limit: 8, received: 0 }, level: 'warn' },
  { name: 'a chunked body that is too large', guard: { bodyLimit: 8 }, send: client => client.write(chunked + chunk('123456789')), record: { code: 'FST_READ_BODY_TOO_LARGE', reason: 'body_too_large', blame: 'client_invalid', statusCode: 413, limit: 8, received: 9, expected: undefined }, level: 'warn' },
  { name: 'a body without its length', guard: { requireContentLength: true }, send: client => client.write(chunked), record: { code: 'FST_READ_LENGTH_REQUIRED', reason: 'length_required', blame: 'client_invalid', statusCode: 411, limit: undefined, received: 0, expected: undefined }, level: 'warn' },
  { name: 'a chunk that is none', send: client => client.write(`${chunked}${chunk('ab')}xyz\r\n`), record: { code: 'FST_READ_MALFORMED', reason: 'malformed', blame: 'client_invalid', statusCode: 400, limit: undefined, expected: undefined }, level: 'warn' },
  { name: 'a client that leaves in its body', send: client => leave(client, `${post}ab`), record: left, level: 'info' },
  { name: 'a client that leaves, with a status of its own', guard: { abortStatusCode: 460 }, send: client => leave(client, `${post}ab`), record: { ...left, statusCode: 460 }, level: 'info' },
  { name: 'a body without a route', guard: { bodyIdleTimeout: LIMIT }, send: client => client.write(`${head('POST', '/missing', { 'Content-Type': 'text/plain', 'Content-Length': 9 })}ab`), record: { code: 'FST_READ_BODY_IDLE_TIMEOUT', reason: 'body_idle_timeout', url: '/missing', route: undefined }, level: 'warn', waits: LIMIT },
  { name: 'an observed body', guard: { bodyIdleTimeout: LIMIT, mode: 'observe' }, send: stall, record: { code: 'FST_READ_BODY_IDLE_TIMEOUT', reason: 'body_idle_timeout', answered: false, observed: true }, level: 'info', waits: LIMIT },
  { name: 'an observed head', guard: { mode: 'observe' }, send: client => client.write('GET /thi'), record: { ...unrouted, code: 'FST_READ_HEADERS_TIMEOUT', reason: 'headers_timeout', answered: false, observed: true, received: 8 }, level: 'info', waits: LIMIT }
]

function listen (guard: ReadGuardOptions = {}, keepAliveTimeout = 72_000): Promise<GuardedApp> {
  return guardedApp({
    guard: { headersTimeout: LIMIT, bodyTimeout: 0, bodyIdleTimeout: 0, minBodyRate: false, resolution: 50, ...guard },
    fastify: { genReqId: () => 'req-of-ours', keepAliveTimeout },
    routes: (app) => { app.post('/things/:id', async () => ({})) }
  })
}

for (const { name, guard, keepAliveTimeout, send, record: differs, level, waits = 0 } of rows) {
  t.test(`the record of ${name} tells all there is to tell, on level ${level}`, async (t) => {
    const begun = Date.now()
    const { app, port, recorded, log } = await listen(guard, keepAliveTimeout)
    const client = new RawClient(port)
    await client.ready()
    const { localPort } = client.socket
    await send(client)
    const [record] = await recorded()
    if (record === undefined) throw new Error('no record')
    client.socket.destroy()
    await app.close()

    t.strictSame(Object.keys(record), KEYS, 'every key, also where there is nothing to tell')
    const { elapsed, paused, idle, rate, time, remotePort, ...fixed } = record
    t.strictSame(fixed, {
      phase: 'body',
      blame: 'client_slow',
      statusCode: 408,
      answered: true,
      received: 2,
      expected: 9,
      sent: undefined,
      limit: LIMIT,
      method: 'POST',
      url: '/things/7?q=1',
      route: '/things/:id',
      reqId: 'req-of-ours',
      ip: '127.0.0.1',
      remoteAddress: '127.0.0.1',
      protocol: 'http/1.1',
      tls: transport.tls,
      observed: false,
      ...differs
    })
    t.equal(remotePort, localPort)
    for (const [what, ms] of Object.entries({ elapsed, paused, idle })) t.ok(Number.isInteger(ms) && ms >= 0, `${what}: ${ms}`)
    t.ok(elapsed >= waits && elapsed + paused <= Date.now() - begun, `${elapsed} ms counted`)
    t.ok(idle <= elapsed, `${idle} ms without a byte`)
    // `elapsed` is rounded, and so is the rate.
    const [least, most] = [record.received / (elapsed + 0.5) * 1_000 - 0.01, record.received / Math.max(elapsed - 0.5, 0) * 1_000 + 0.01]
    t.ok(elapsed < 2 ? rate >= 0 : rate >= least && rate <= most, `${rate} bytes per second`)
    t.equal(time, new Date(time).toISOString())
    t.ok(Date.parse(time) >= begun && Date.parse(time) <= Date.now(), time)

    const lines = log.filter(line => line.abort !== undefined)
    t.equal(lines.length, 1)
    const [line] = lines
    t.strictSame(line?.abort, JSON.parse(JSON.stringify(record)))
    t.equal(line?.msg, record.observed ? 'request read would have been aborted' : 'request read aborted')
    t.equal(line?.level, { debug: 20, info: 30, warn: 40 }[level])
    t.equal(line?.reqId, record.reqId, "the request's own logger, where there is a request")
    t.equal(app.readGuard.stats()[record.observed ? 'observed' : 'aborted'][record.code], 1)
  })
}
