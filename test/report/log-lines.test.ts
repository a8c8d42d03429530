import { pino, type LoggerOptions } from 'pino'
import t from 'tap'
import { LineScanner, longestLine } from '../../lib/report/input/line-scanner.js'
import { readLine, type Content } from '../../lib/report/input/log-line.js'
import type { LoggedAbort } from '../../lib/report/input/logged-abort.js'
import { abortLine, abortRecord, jsonOf, noon, requestLine, run } from '../support/app/report-log.js'

const message = 'request read aborted'

/** All lines handed on that have a mark, when the text comes in chunks of this many bytes. */
function scan (text: string | Buffer, size: number, markers = ['MARK']) {
  const bytes = Buffer.from(text)
  const found: string[] = []
  const counts = { lines: 0, tooLong: 0, broken: 0 }
  const scanner = new LineScanner(markers, {
    line: ({ buffer, start, end, marks }) => {
      counts.lines++
      if (marks !== 0) found.push(`${marks} ${buffer.toString('utf8', start, end)}`)
    },
    tooLong: () => { counts.tooLong++ },
    broken: () => { counts.broken++ }
  })
  for (let at = 0; at < bytes.length; at += size) scanner.write(Buffer.from(bytes.subarray(at, at + size)))
  scanner.end()
  return { found, ...counts }
}

/** What is found in a line: the record, or what else it is. */
function parseLine (line: string): LoggedAbort | { suppressed: number, time: number | undefined } | 'doubtful' | Content {
  let found: ReturnType<typeof parseLine> | undefined
  const content = readLine(line, {
    abort: abort => { found = abort },
    suppressed: (suppressed, time) => { found = { suppressed, time } },
    doubtful: () => { found = 'doubtful' },
    incoming: () => {},
    completed: () => {}
  })
  return found ?? content
}

t.test('cuts lines the same whatever the chunks', t => {
  const text = '\ufeff{"MARK":1}\r\n{"a":"é"}\n\n\r\nplain MARK\n{"b":"OTHER"}\n{"é":"MARK"}\n{"MARK":2}'
  const whole = scan(text, 1e6, ['MARK', 'OTHER'])
  t.same(whole.found, ['1 {"MARK":1}', '1 plain MARK', '2 {"b":"OTHER"}', '1 {"é":"MARK"}', '1 {"MARK":2}'])
  for (let size = 1; size <= 40; size++) t.same(scan(text, size, ['MARK', 'OTHER']), whole, `chunks of ${size}`)
  t.end()
})

t.test('counts lines that are not blank', async t => {
  const { input } = await jsonOf([requestLine, '', 'text', '{"broken":', '{}', '[1]', '"FST_READ_"'])
  t.match(input, { lines: 6, passedOver: { text: 3, json: 1, broken: 1, tooLong: 0 }, records: 0 })
})

t.test('a line cut off in the middle is passed over', async t => {
  const { input } = await jsonOf(Buffer.from(`${abortLine()}\n${abortLine().slice(0, -40)}`))
  t.match(input, { lines: 2, passedOver: { broken: 1 }, records: 1 })
})

t.test('a marked line that only looks like JSON is passed over', async t => {
  const { input } = await jsonOf(['{"FST_READ_": }', abortLine()])
  t.match(input, { lines: 2, passedOver: { broken: 1 }, records: 1 })
})

t.test('a line may be as long as the bound and no longer', t => {
  const line = (length: number) => `{"MARK":"${'x'.repeat(length - 11)}"}`
  for (const size of [1000, 65_536]) {
    t.equal(scan(line(longestLine), size).found.length, 1)
    t.match(scan(`${line(longestLine + 1)}\n${line(20)}`, size), { found: [`1 ${line(20)}`], lines: 1, tooLong: 1 })
    t.match(scan(line(longestLine + 1), size), { found: [], lines: 0, tooLong: 1 })
  }
  t.end()
})

t.test('a very long line does not fill the memory', t => {
  const counts = { lines: 0, tooLong: 0 }
  const scanner = new LineScanner(['MARK'], { line: () => { counts.lines++ }, tooLong: () => { counts.tooLong++ }, broken: () => {} })
  const chunk = Buffer.alloc(1_000_000, 'x')
  const before = process.memoryUsage().arrayBuffers
  for (let megabyte = 0; megabyte < 100; megabyte++) scanner.write(chunk)
  t.ok(process.memoryUsage().arrayBuffers - before < 10_000_000)
  scanner.write(Buffer.from('\n{"MARK":1}\n'))
  t.same(counts, { lines: 1, tooLong: 1 })
  t.end()
})

t.test('finds the record wherever pino puts it', t => {
  const abort = abortRecord()
  const rows: [string, object][] = [
    ['as it is', { level: 40, time: noon, abort, msg: message }],
    ['messageKey', { level: 40, abort, message }],
    ['base: null', { level: 40, abort, msg: message }],
    ['base with keys of its own', { level: 'warn', service: 'shop', abort, msg: message }],
    ['nestedKey', { level: 40, time: noon, payload: { abort }, msg: message }],
    ['nestedKey and messageKey', { level: 40, time: noon, payload: { reqId: 'a', abort }, text: message }],
    ['msgPrefix', { level: 40, time: noon, abort, msg: `[app] ${message}` }],
    ['msgPrefix and nestedKey', { level: 40, time: noon, payload: { abort }, msg: `[app] ${message}` }]
  ]
  for (const [name, line] of rows) t.match(parseLine(JSON.stringify(line)), { reason: 'body_too_slow', route: '/upload', time: noon }, name)
  t.end()
})

t.test('is not taken in by what only looks like a record', t => {
  const abort = abortRecord()
  const rows: [string, object][] = [
    ['an error', { err: { code: 'FST_READ_BODY_TIMEOUT', phase: 'body', reason: 'body_timeout' }, msg: message }],
    ['a url', { req: { url: '/?FST_READ_' } }],
    ['too deep', { a: { b: { abort } }, msg: message }],
    ['another code', { abort: { ...abort, code: 'OTHER' }, msg: message }],
    ['no phase', { abort: { ...abort, phase: undefined }, msg: message }],
    ['a list', { abort: [abort], msg: message }],
    ['null', { abort: null, msg: message }]
  ]
  for (const [name, line] of rows) t.match(parseLine(JSON.stringify(line)), /^(log|json)$/, name)
  t.equal(parseLine('[]'), 'text')
  t.end()
})

t.test('what clients made an application log is no record, and is counted', async t => {
  const abort = abortRecord()
  const left = '9 records of aborted request reads were left out of the log'
  const forged = [
    { abort, msg: message, note: message },
    { msg: 'first', abort, note: message }, // a key that the logger then writes again
    { abort: { ...abort, note: message }, note: message },
    { abortsSuppressed: 9, period: 1, note: left },
    { abortsSuppressed: 1e9, msg: left }
  ]
  for (const options of [{}, { messageKey: 'message' }, { nestedKey: 'payload' }, { msgPrefix: '[app] ' }]) {
    const lines: string[] = []
    const log = pino(options, { write: (line: string) => { lines.push(line) } })
    for (const body of forged) {
      log.info(body, 'got')
      log.info({ body }, 'got')
      log.info({ body })
    }
    const { input } = await jsonOf(lines.map(line => line.trimEnd()))
    t.match(input, { records: 0, suppressed: 0 }, JSON.stringify(options))
    t.ok(input.doubtful > 0)
    t.match((await run(['report'], { stdin: lines.join('') })).stdout.replaceAll(/\s+/g, ' '), `passed over: ${input.doubtful} with a record where the guard does not log it`)
  }
})

t.test('a log of which every record is doubtful is not said to be without failures', async t => {
  const { status, stdout } = await run(['report'], { stdin: JSON.stringify({ level: 40, pid: 1, hostname: 'a', abort: abortRecord(), msg: 'got' }) })
  t.equal(status, 0)
  t.match(stdout.replaceAll(/\s+/g, ' '), 'passed over: 1 with a record where the guard does not log it. Every record in it may have been sent by a client: the log does not say whether a read failed.')
  t.notMatch(stdout, 'No read failed')
})

t.test('lines that are made to be slow or deep are read as any other', { timeout: 20_000 }, async t => {
  const long = 900_000
  const nested = (open: string, close: string) => `${open.repeat(long / open.length)}1${close.repeat(long / open.length)}`
  const lines = [
    `{"FST_READ_":${nested('[', ']')}}`,
    `{"FST_READ_":${nested('{"a":', '}')}}`,
    `{"events":${nested('[', ']')},"x":"FST_READ_"}`,
    `{"log":"${'{'.repeat(long)}","x":"FST_READ_"}`,
    `{"message":"${'{\\\\"level'.repeat(50_000)}","x":"responseTime"}`,
    `FST_READ_ ${'{"'.repeat(400_000)}`,
    `{"log":"${'\\'.repeat(400_000)}`,
    '2025-03-01T12:00:00.'.padEnd(long, '1'),
    `[${'{'.repeat(long)}`,
    '['.repeat(long)
  ]
  const { input } = await jsonOf([...lines.slice(0, -2), abortLine(), lines.at(-1) ?? '', abortLine(), lines.at(-2) ?? '', abortLine()])
  t.match(input, { records: 3 })
})

t.test('what clients brought into the bindings of a logger does not replace the record', async t => {
  const lines: string[] = []
  const log = pino({ nestedKey: 'payload' }, { write: (line: string) => { lines.push(line) } })
  log.child({ query: { abort: abortRecord({ route: '/forged' }) } }).warn({ abort: abortRecord() }, message)
  t.match((await jsonOf(lines.map(line => line.trimEnd()))).failed.groups, [{ route: '/upload', count: 1 }])
})

const setUps: readonly [string, LoggerOptions][] = [
  ['as it is', {}],
  ['nestedKey', { nestedKey: 'payload' }],
  ['messageKey', { messageKey: 'message' }],
  ['nestedKey and messageKey', { nestedKey: 'payload', messageKey: 'message' }],
  ['base: null', { base: null }],
  ['base', { base: { service: 'shop', abort: 'x' } }],
  ['level labels', { formatters: { level: level => ({ level }) } }],
  ['isoTime', { timestamp: pino.stdTimeFunctions.isoTime }],
  ['unixTime', { timestamp: pino.stdTimeFunctions.unixTime }],
  ['no time', { timestamp: false }],
  ['time under another name', { timestamp: () => ',"timestamp":"2025-03-01T12:00:00.000Z"' }],
  ['time as an object', { timestamp: () => ',"time":{"seconds":1740830400,"nanos":0}', nestedKey: 'payload' }],
  ['errorKey', { errorKey: 'error' }],
  ['mixin', { mixin: () => ({ trace: 'x', span: { id: 1 } }) }],
  ['formatters.log that adds', { formatters: { log: fields => ({ app: 'x', ...fields }) } }],
  ['formatters.log that nests', { formatters: { log: fields => ({ ctx: fields }) } }],
  ['redact', { redact: ['abort.remoteAddress'] }],
  ['redact that removes', { redact: { paths: ['abort.url', 'abort.remotePort'], remove: true } }],
  ['crlf', { crlf: true }],
  ['depthLimit', { depthLimit: 2, edgeLimit: 5 }],
  ['msgPrefix', { msgPrefix: '[app] ' }],
  ['msgPrefix and nestedKey', { msgPrefix: '[app] ', nestedKey: 'payload' }],
  ['serializers', { serializers: { abort: (abort: object) => ({ ...abort, more: 1 }) } }]
]

t.test('finds the record, however pino is set up', async t => {
  for (const [name, options] of setUps) {
    const lines: string[] = []
    const log = pino(options, { write: (line: string) => { lines.push(line) } }).child({ reqId: 'req-1' })
    log.warn({ abort: abortRecord() }, message)
    log.warn({ abortsSuppressed: 40, period: 10_000 }, '40 records of aborted request reads were left out of the log')
    log.info({ req: { url: '/' } }, 'incoming request')
    const { input, failed } = await jsonOf(Buffer.from(lines.join('')))
    t.match(input, { lines: 3, records: 1, suppressed: 40, passedOver: { text: 0, json: 0, broken: 0 }, doubtful: 0 }, name)
    t.match(failed, { count: 1, first: '2025-03-01T12:00:00.000Z', groups: [{ route: '/upload', reason: 'body_too_slow', received: 1200 }] }, name)
  }
})

t.test('numbers that nobody can have read do not spoil the sums', async t => {
  const huge = { received: 1e308, expected: 1e308, limit: 1e308, elapsed: 1e308, rate: 1e308, idle: 1e308 }
  const { failed } = await jsonOf([...Array.from({ length: 6 }, () => abortLine(huge)), abortLine({ received: 1e15, elapsed: 1e15 })])
  t.match(failed.groups, [{ count: 7, received: 1e15, declared: { count: 1 }, elapsed: { max: 1e15 } }])
  const { stdout } = await run(['report'], { stdin: Array.from({ length: 6 }, () => abortLine(huge)).join('\n') })
  t.notMatch(stdout, /Infinity|NaN/)
})

t.test('finds the line about records left out', t => {
  const text = '40 records of aborted request reads were left out of the log'
  t.same(parseLine(JSON.stringify({ time: noon, abortsSuppressed: 40, period: 1, msg: text })), { suppressed: 40, time: noon })
  t.same(parseLine(JSON.stringify({ time: noon, payload: { abortsSuppressed: 40, period: 1 }, message: text })), { suppressed: 40, time: noon })
  t.equal(parseLine(JSON.stringify({ abortsSuppressed: '40', msg: text })), 'json')
  t.equal(parseLine(JSON.stringify({ abortsSuppressed: -1, msg: text })), 'json')
  t.equal(parseLine(JSON.stringify({ abortsSuppressed: 41, msg: text })), 'doubtful')
  t.end()
})

t.test('finds records in lines whose keys somebody has put in another order, or added to', t => {
  const rows: ReadonlyArray<readonly [line: object, isRecord: boolean]> = [
    [{ msg: message, abort: abortRecord(), host: 'a' }, true],
    [{ abort: abortRecord(), message: `[shop] ${message}`, file: '/var/log/app' }, true],
    [{ abort: abortRecord(), msg: 'got it', host: 'a' }, false],
    [{ abort: abortRecord(), note: message, host: 'a' }, false],
    [{ abort: abortRecord(), msg: message, message: 'got it', host: 'a' }, false]
  ]
  for (const [line, isRecord] of rows) t.equal(typeof parseLine(JSON.stringify(line)) === 'object', isRecord, JSON.stringify(line))
  t.end()
})

t.test('takes the time from the line where the record has none', t => {
  const timeOf = (time: unknown) => {
    const parsed = parseLine(JSON.stringify({ time, abort: abortRecord({ time: 'no time' }), msg: message }))
    return typeof parsed === 'object' ? parsed.time : parsed
  }
  t.equal(timeOf(noon), noon)
  t.equal(timeOf(noon / 1000), noon, 'unixTime')
  t.equal(timeOf('2025-03-01T12:00:00.000Z'), noon, 'isoTime')
  for (const bad of [undefined, 'soon', -1, null, 1e300]) t.equal(timeOf(bad), undefined)
  t.end()
})

t.test('does not trust numbers and names in a record', t => {
  const odd = { ...abortRecord(), received: '5', expected: -1, elapsed: null, idle: {}, rate: 'fast', reason: 'of_tomorrow', blame: 'nobody', route: 7, remoteAddress: null }
  t.match(parseLine(JSON.stringify({ abort: odd, msg: message })), {
    received: 0, expected: undefined, elapsed: 0, idle: 0, rate: 0, reason: 'unknown', blame: 'client_invalid', route: '(not routed)', client: '(unknown)'
  })
  t.end()
})

t.test('records of both forms are read: observed ones had the message of the others, and none had an ip', async t => {
  const earlier = abortLine({ observed: false }).replace('"observed":false', '"observed":true')
  t.match(await jsonOf([earlier, abortLine({ observed: true }), abortLine()]), { input: { records: 3, doubtful: 0 }, observed: { count: 2 }, failed: { count: 1 } })
  const { failed: { clients } } = await jsonOf([
    abortLine({ remoteAddress: '10.0.0.1' }),
    abortLine({ ip: '203.0.113.9', remoteAddress: '10.0.0.1' }),
    abortLine({ ip: '203.0.113.9', remoteAddress: '10.0.0.2' }),
    abortLine({ remoteAddress: undefined })
  ])
  t.same(clients.map(({ client, count }) => [client, count]), [['203.0.113.9', 2], ['(unknown)', 1], ['10.0.0.1', 1]], 'by ip, else by the address of the connection')
})
