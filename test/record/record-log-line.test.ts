import diagnosticsChannel from 'node:diagnostics_channel'
import type { FastifyBaseLogger } from 'fastify'
import t from 'tap'
import type { AbortRecord } from '../../lib/index.js'
import { guardedApp, type LogLine } from '../support/app/guarded-app.js'
import { chunk, head, RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'

t.jobs = 8

const LIMIT = 200
const guard = { headersTimeout: LIMIT, bodyIdleTimeout: LIMIT, resolution: 50 } as const
const post = (length: number, headers = {}): string => head('POST', '/', { 'Content-Type': 'text/plain', 'Content-Length': length, ...headers })

async function send (port: number, bytes: string): Promise<void> {
  const client = new RawClient(port)
  await client.write(bytes)
  await client.closed
}

const summaries = (log: readonly LogLine[]): LogLine[] => log.filter(line => 'abortsSuppressed' in line)
const aborts = (log: readonly LogLine[]): LogLine[] => log.filter(line => line.abort !== undefined)

t.test('no header value and no body byte gets into the log, the record or the channel', async (t) => {
  const secret = 's3cr3t'
  const channel: unknown[] = []
  const subscriber = (message: unknown): void => { channel.push(message) }
  diagnosticsChannel.subscribe('fastify-read-guard.abort', subscriber)
  t.teardown(() => diagnosticsChannel.unsubscribe('fastify-read-guard.abort', subscriber))
  const headers = { Authorization: secret, Cookie: `session=${secret}`, [`X-${secret}`]: 'name' }
  const chunked = head('POST', '/', { 'Content-Type': 'text/plain', 'Transfer-Encoding': 'chunked', ...headers })
  const attacks: Readonly<Record<string, string>> = {
    'a head that stalls': `GET / HTTP/1.1\r\nAuthorization: ${secret}\r\n`,
    'a head that is malformed': `GET / HTTP/1.1\r\nAuthorization: ${secret}\r\n${secret} : \0${secret}\r\n\r\n`,
    'a method that is none': `${secret}\r\n\r\n`,
    'a Content-Length that is none': `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${secret}\r\n\r\n`,
    'a transfer coding that nobody knows': `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ${secret}, chunked\r\n\r\n`,
    'two Hosts': `GET / HTTP/1.1\r\nHost: ${secret}\r\nHost: ${secret}\r\n\r\n`,
    'a head that is too large': `GET / HTTP/1.1\r\nAuthorization: ${secret.repeat(4_000)}`,
    'a body that stalls': post(100, headers) + secret,
    'a body that is too large': `${post(4_000, headers)}${secret.repeat(100)}`,
    'a chunk that is too large': `${chunked}${chunk(secret.repeat(400))}`,
    'a chunk that is none': `${chunked}${chunk(secret)}${secret}\r\n`
  }
  const { app, port, records, recorded, log } = await guardedApp({
    guard: { ...guard, bodyLimit: 2_000 },
    routes: (app) => { app.post('/', async () => ({})) }
  })
  await Promise.all(Object.values(attacks).map(bytes => send(port, bytes)))
  const left = new RawClient(port)
  await left.write(post(100, headers) + secret)
  left.fin()
  await recorded(Object.keys(attacks).length + 1)
  await app.close()
  t.equal(records.length, Object.keys(attacks).length + 1, 'each was recorded')
  for (const [what, said] of Object.entries({ log, records, channel })) {
    t.ok(said.length >= records.length, `${what}: ${said.length} entries`)
    for (const entry of said) t.notMatch(JSON.stringify(entry).toLowerCase(), secret)
  }
})

t.test('the record is logged by the request where there is one, and by the application otherwise', async (t) => {
  const { app, port, recorded, log } = await guardedApp({
    guard,
    fastify: { genReqId: () => 'ours' },
    routes: (app) => {
      app.setChildLoggerFactory((logger, bindings) => logger.child({ ...bindings, of: 'the request' }))
      app.post('/', async () => ({}))
    }
  })
  await Promise.all([send(port, `${post(9)}ab`), send(port, 'POST / HT')])
  await recorded(2)
  await app.close()
  const [ofBody] = aborts(log).filter(line => line.abort?.phase === 'body')
  const [ofHead] = aborts(log).filter(line => line.abort?.phase === 'headers')
  t.match(ofBody, { reqId: 'ours', of: 'the request', abort: { reqId: 'ours' } })
  t.ok(ofHead !== undefined && !('reqId' in ofHead) && !('of' in ofHead))
})

t.test("a route's own log level holds for its records, which do not use up the limit", async (t) => {
  const { app, port, recorded, records, log } = await guardedApp({
    guard: { ...guard, logLimit: { records: 1, period: 60_000 } },
    routes: (app) => { app.post('/', { logLevel: 'error' }, async () => ({})) }
  })
  await send(port, `${post(9)}ab`)
  await recorded(1)
  t.equal(aborts(log).length, 0)
  await send(port, '\0\r\n\r\n')
  await recorded(2)
  t.equal(aborts(log).length, 1)
  t.equal(app.readGuard.stats().suppressed, 0)
  await app.close()
  t.equal(records.length, 2)
})

t.test('a logger of any make does', async (t) => {
  const lines: Array<{ level: string, abort: AbortRecord }> = []
  const make = (): FastifyBaseLogger => {
    const entries = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'].map(level => [level, (line: { abort?: AbortRecord }) => {
      if (line.abort !== undefined) lines.push({ level, abort: line.abort })
    }])
    return { ...Object.fromEntries(entries), level: 'info', child: make, silent: () => {} } as FastifyBaseLogger // what Fastify asks for, and nothing else
  }
  const { app, port, recorded } = await guardedApp({
    guard,
    fastify: { logger: false, loggerInstance: make(), keepAliveTimeout: 1 },
    routes: (app) => { app.post('/', async () => ({})) }
  })
  const left = new RawClient(port)
  await left.write('GET')
  left.fin()
  await Promise.all([send(port, `${post(9)}ab`), send(port, ''), left.closed])
  const records = await recorded(3)
  await app.close()
  t.strictSame(lines.map(line => line.abort), records)
  t.strictSame(lines.map(line => line.level).sort(), ['debug', 'info', 'warn'])
})

t.test('what logLimit leaves out of the log is told when the server closes, also of reads that fail meanwhile', async (t) => {
  const { app, port, records, log } = await guardedApp({
    guard: { ...guard, logLimit: { records: 2, period: 60_000 } },
    routes: (app) => { app.post('/', async () => ({})) }
  })
  await Promise.all(Array.from({ length: 4 }, () => send(port, '\0\r\n\r\n')))
  t.equal(app.readGuard.stats().suppressed, 2)
  t.equal(summaries(log).length, 0)
  const stalled = Array.from({ length: 3 }, () => send(port, `${post(9)}ab`))
  await until(() => app.readGuard.stats().reading.body === 3, 'the bodies are read')
  await app.close()
  await Promise.all(stalled)
  t.equal(records.length, 7)
  t.equal(aborts(log).length, 2)
  t.equal(summaries(log).reduce((sum, line) => sum + Number(line.abortsSuppressed), 0), 5)
  t.ok(summaries(log).every(line => line.level === 40 && line.period === 60_000))
})
