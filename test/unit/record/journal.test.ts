import diagnosticsChannel from 'node:diagnostics_channel'
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import type { AbortRecord } from '../../../lib/index.js'
import type { ReadGuardOptions } from '../../../lib/limits/options.js'
import { resolveOptions } from '../../../lib/limits/resolve.js'
import { Journal } from '../../../lib/record/journal.js'
import { until } from '../../support/oracle/until.js'

interface Line {
  readonly level: string
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

const levels = ['debug', 'info', 'warn', 'error'] as const

/** A logger that keeps its lines; it tells its level only where it has one. */
function logger (lines: Line[], enabled?: (level: string) => boolean): FastifyBaseLogger {
  const entries = levels.map(level => [level, (fields: Line['fields'], message: string) => { lines.push({ level, fields, message }) }] as const)
  return { ...Object.fromEntries(entries), ...(enabled === undefined ? {} : { isLevelEnabled: enabled }) } as unknown as FastifyBaseLogger // no more of it is used
}

interface Kept {
  readonly journal: Journal
  readonly lines: Line[]
}

function keep (options: ReadGuardOptions = {}, enabled?: (level: string) => boolean): Kept {
  const lines: Line[] = []
  return { journal: new Journal(logger(lines, enabled), resolveOptions(options)), lines }
}

const slow: AbortRecord = {
  code: 'FST_READ_BODY_TIMEOUT',
  reason: 'body_timeout',
  phase: 'body',
  blame: 'client_slow',
  statusCode: 408,
  answered: true,
  received: 3,
  expected: 10,
  sent: undefined,
  limit: 1_000,
  elapsed: 1_050,
  paused: 0,
  idle: 900,
  rate: 2.86,
  method: 'POST',
  url: '/',
  route: '/',
  reqId: 'req-1',
  ip: '127.0.0.1',
  remoteAddress: '127.0.0.1',
  remotePort: 50_000,
  protocol: 'http/1.1',
  tls: false,
  observed: false,
  time: '2025-03-01T12:00:00.000Z'
}
const gone: AbortRecord = { ...slow, code: 'FST_READ_ABORTED', reason: 'client_aborted', blame: 'client_gone', statusCode: 499, answered: false, limit: undefined }
const silent: AbortRecord = { ...slow, code: 'FST_READ_HEADERS_TIMEOUT', reason: 'headers_timeout', phase: 'headers', received: 0 }
const unshaken: AbortRecord = { ...silent, code: 'FST_READ_HANDSHAKE_TIMEOUT', reason: 'handshake_timeout', phase: 'handshake', statusCode: undefined }

/** As much of a reply as is asked for. */
const replyTo = (request: Partial<FastifyRequest>): FastifyReply => ({ request: { raw: { headers: {} }, ...request } }) as FastifyReply

const aborts = (lines: readonly Line[]): Line[] => lines.filter(line => 'abort' in line.fields)
const summaries = (lines: readonly Line[]): Line[] => lines.filter(line => 'abortsSuppressed' in line.fields)
const write = (journal: Journal, times: number, record: AbortRecord = slow): void => {
  for (let i = 0; i < times; i++) journal.write(record, undefined)
}

t.test('logLimit: so many lines in a period and no more', async (t) => {
  for (const [records, written, logged] of [[1, 1, 1], [1, 2, 1], [3, 2, 2], [3, 3, 3], [3, 4, 3], [3, 50, 3]] as const) {
    const { journal, lines } = keep({ logLimit: { records, period: 60_000 } })
    write(journal, written)
    t.equal(aborts(lines).length, logged, `${logged} of ${written}`)
    t.equal(journal.counts().suppressed, written - logged)
    t.equal(journal.counts().aborted.FST_READ_BODY_TIMEOUT, written, 'all are counted')
    t.equal(summaries(lines).length, 0, 'not before the period is over')
    journal.close()
    const expected = { level: 'warn', fields: { abortsSuppressed: written - logged, period: 60_000 }, message: `${written - logged} records of aborted request reads were left out of the log` }
    t.strictSame(summaries(lines), written > logged ? [expected] : [], 'closing tells of those that were left out')
    journal.close()
    t.equal(summaries(lines).length, written > logged ? 1 : 0, 'once')
  }
})

t.test('logLimit: the summary comes at the end of the period, which begins with its first line', async (t) => {
  const period = 200
  const { journal, lines } = keep({ logLimit: { records: 2, period } })
  const begun = performance.now()
  write(journal, 7)
  await until(() => summaries(lines).length > 0, 'the summary')
  t.ok(performance.now() - begun >= period - 2)
  t.strictSame(summaries(lines).map(line => line.fields.abortsSuppressed), [5])
  t.equal(aborts(lines).length, 2)
  await until(() => performance.now() - begun > period + 5, 'the period is over') // a timer may be a millisecond early
  write(journal, 4)
  t.equal(aborts(lines).length, 4, 'the next period admits as many again')
  await until(() => summaries(lines).length > 1, 'its summary')
  t.strictSame(summaries(lines).map(line => line.fields.abortsSuppressed), [5, 2])
  t.equal(journal.counts().suppressed, 7)
})

t.test('logLimit: a period in which nothing is left out has no summary', async (t) => {
  const period = 50
  const { journal, lines } = keep({ logLimit: { records: 2, period } })
  const begun = performance.now()
  write(journal, 2)
  await until(() => performance.now() - begun > period + 5, 'the period is over')
  write(journal, 2)
  t.equal(aborts(lines).length, 4)
  journal.close()
  t.strictSame(summaries(lines), [])
})

t.test('logLimit: false logs all', async (t) => {
  const { journal, lines } = keep({ logLimit: false })
  write(journal, 1_000)
  journal.close()
  t.equal(aborts(lines).length, 1_000)
  t.equal(lines.length, 1_000)
  t.equal(journal.counts().suppressed, 0)
})

t.test('logLimit: lines below the level of the logger do not use it up, and are not left out', async (t) => {
  const { journal, lines } = keep({ logLimit: { records: 2, period: 60_000 } }, level => level === 'warn' || level === 'error')
  write(journal, 10, silent)
  write(journal, 10, gone)
  t.equal(lines.length, 0)
  write(journal, 3, slow)
  t.equal(aborts(lines).length, 2)
  t.equal(journal.counts().suppressed, 1)
})

t.test("logLimit: the request's own logger is asked for its level, and gets the line", async (t) => {
  const { journal, lines } = keep({ logLimit: { records: 1, period: 60_000 } })
  const own: Line[] = []
  journal.write(slow, replyTo({ log: logger(own, () => false) }))
  t.equal(own.length, 0)
  journal.write(slow, replyTo({ log: logger(own, () => true) }))
  t.strictSame(own, [{ level: 'warn', fields: { abort: slow }, message: 'request read aborted' }])
  t.equal(lines.length, 0)
  journal.write(slow, undefined)
  t.equal(lines.length, 0, 'one limit for all')
})

t.test('a logger that does not tell its level gets every line', async (t) => {
  const { journal, lines } = keep()
  for (const record of [silent, gone, slow]) journal.write(record, undefined)
  t.strictSame(lines.map(line => line.level), ['debug', 'info', 'warn'])
})

t.test('level and message say whose fault it was, and whether anything was refused', async (t) => {
  const invalid: AbortRecord = { ...slow, code: 'FST_READ_MALFORMED', reason: 'malformed', phase: 'headers', blame: 'client_invalid', statusCode: 400, limit: undefined }
  const [aborted, observed] = ['request read aborted', 'request read would have been aborted']
  for (const [name, record, level, message] of [
    ['a slow client', slow, 'warn', aborted],
    ['an invalid client', invalid, 'warn', aborted],
    ['a client that has gone', gone, 'info', aborted],
    ['a body of which not one byte came', { ...slow, received: 0 }, 'warn', aborted],
    ['a body of which not one byte came before its client went', { ...gone, received: 0 }, 'info', aborted],
    ['a connection on which not one byte came', silent, 'debug', aborted],
    ['a handshake of which not one byte came', unshaken, 'debug', aborted],
    ['a slow client that is observed', { ...slow, observed: true }, 'info', observed],
    ['an invalid client that is observed', { ...invalid, observed: true }, 'info', observed],
    ['a silent connection that is observed', { ...silent, observed: true }, 'debug', observed]
  ] as const) {
    const { journal, lines } = keep()
    journal.write(record, undefined)
    t.strictSame(lines, [{ level, fields: { abort: record }, message }], name)
  }
})

t.test('onAbort, the channel and the counters get what logLimit leaves out, with the request', async (t) => {
  const told: unknown[] = []
  const published: unknown[] = []
  const subscriber = (message: unknown): void => { published.push(message) }
  diagnosticsChannel.subscribe('fastify-read-guard.abort', subscriber)
  t.teardown(() => diagnosticsChannel.unsubscribe('fastify-read-guard.abort', subscriber))
  const { journal, lines } = keep({ logLimit: { records: 1, period: 60_000 }, onAbort: (...args) => { told.push(args) } })
  const exchanges: unknown[] = []
  const onExchange = (message: unknown): void => { exchanges.push(message) }
  diagnosticsChannel.subscribe('fastify-read-guard.exchange', onExchange)
  t.teardown(() => diagnosticsChannel.unsubscribe('fastify-read-guard.exchange', onExchange))
  const reply = replyTo({ log: logger(lines) })
  const { request } = reply
  journal.write(slow, reply)
  journal.write(gone, undefined)
  journal.write({ ...slow, observed: true }, undefined)
  t.strictSame(told, [[slow, request], [gone, undefined], [{ ...slow, observed: true }, undefined]])
  t.strictSame(published, [slow, gone, { ...slow, observed: true }])
  t.strictSame(exchanges, [{ record: slow, request, reply }], 'where there is a request')
  t.strictSame(journal.counts(), { aborted: { FST_READ_BODY_TIMEOUT: 1, FST_READ_ABORTED: 1 }, observed: { FST_READ_BODY_TIMEOUT: 1 }, suppressed: 2 })
})

t.test('an onAbort that throws or rejects is logged, and harms nothing', async (t) => {
  const error = new Error('of the application')
  const failing: Readonly<Record<string, () => void>> = {
    throws: () => { throw error },
    rejects: async () => { throw error }
  }
  for (const [name, onAbort] of Object.entries(failing)) {
    const published: unknown[] = []
    const subscriber = (message: unknown): void => { published.push(message) }
    diagnosticsChannel.subscribe('fastify-read-guard.abort', subscriber)
    const { journal, lines } = keep({ onAbort })
    journal.write(slow, undefined)
    journal.write(slow, undefined)
    await until(() => lines.length === 4, 'it is logged')
    diagnosticsChannel.unsubscribe('fastify-read-guard.abort', subscriber)
    t.equal(aborts(lines).length, 2, name)
    t.strictSame(lines.filter(line => line.level === 'error'), Array.from({ length: 2 }, () => ({ level: 'error', fields: { err: error }, message: 'onAbort threw' })))
    t.equal(published.length, 2)
    t.equal(journal.counts().aborted.FST_READ_BODY_TIMEOUT, 2)
  }
})

t.test('a logger that throws costs its line, and the process is warned once', async (t) => {
  const error = new Error('no space left on device')
  const warned: Array<Error & { code?: string, detail?: string }> = []
  const onWarning = (warning: Error): void => { warned.push(warning) }
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  const fail = (): never => { throw error }
  const throwing = Object.fromEntries(levels.map(level => [level, fail])) as unknown as FastifyBaseLogger // no more of it is used
  const told: AbortRecord[] = []
  const journal = new Journal(throwing, resolveOptions({ logLimit: { records: 2, period: 30 }, onAbort: (record: AbortRecord) => { told.push(record); throw error } }))
  write(journal, 5)
  journal.write(slow, replyTo({ log: throwing, raw: { headers: { 'x-forwarded-for': '10.0.0.1' } } as unknown as FastifyRequest['raw'] }))
  journal.warn('of a server')
  await until(() => warned.length > 0, 'the warning')
  await until(() => journal.counts().suppressed === 4, 'all are counted')
  journal.close()
  t.equal(told.length, 6)
  t.equal(journal.counts().aborted.FST_READ_BODY_TIMEOUT, 6)
  t.match(warned, [{ name: 'FastifyReadGuardWarning', code: 'FST_READ_LOG_FAILED', detail: error.stack }])
  t.equal(warned.length, 1)
})

t.test('the counts that were given do not change', async (t) => {
  const { journal } = keep()
  write(journal, 1)
  const before = journal.counts()
  write(journal, 1)
  t.equal(before.aborted.FST_READ_BODY_TIMEOUT, 1)
})
