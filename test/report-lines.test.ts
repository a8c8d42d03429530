import t from 'tap'
import { LineScanner, longestLine } from '../lib/report/line-scanner.js'
import { parseLine } from '../lib/report/parse-line.js'
import { abortLine, abortRecord, jsonOf, noon, requestLine } from './report-log.js'

const message = 'request read aborted'

/** All lines handed on when the text comes in chunks of this many bytes. */
function scan (text: string | Buffer, size: number, markers = ['MARK']) {
  const bytes = Buffer.from(text)
  const found: string[] = []
  const scanner = new LineScanner(markers, line => found.push(line))
  for (let at = 0; at < bytes.length; at += size) scanner.write(Buffer.from(bytes.subarray(at, at + size)))
  scanner.end()
  return { found, ...scanner.counts }
}

t.test('cuts lines the same whatever the chunks', t => {
  const text = '\ufeff{"MARK":1}\r\n{"a":"é"}\n\n\r\nplain MARK\n{"b":"OTHER"}\n{"é":"MARK"}\n{"MARK":2}'
  const whole = scan(text, 1e6, ['MARK', 'OTHER'])
  t.same(whole.found, ['{"MARK":1}', '{"b":"OTHER"}', '{"é":"MARK"}', '{"MARK":2}'])
  for (let size = 1; size <= 40; size++) t.same(scan(text, size, ['MARK', 'OTHER']), whole, `chunks of ${size}`)
  t.end()
})

t.test('counts lines that are not blank', async t => {
  const { input } = await jsonOf([requestLine, '', 'text', '{"broken":', '{}', '[1]', '"FST_READ_"'])
  t.match(input, { lines: 6, notJson: 4, tooLong: 0, records: 0 })
})

t.test('a line cut off in the middle is passed over', async t => {
  const { input } = await jsonOf(Buffer.from(`${abortLine()}\n${abortLine().slice(0, -40)}`))
  t.match(input, { lines: 2, notJson: 1, records: 1 })
})

t.test('a marked line that only looks like JSON is passed over', async t => {
  const { input } = await jsonOf(['{"FST_READ_": }', abortLine()])
  t.match(input, { lines: 2, notJson: 1, records: 1 })
})

t.test('a line may be as long as the bound and no longer', t => {
  const line = (length: number) => `{"MARK":"${'x'.repeat(length - 11)}"}`
  for (const size of [1000, 65_536]) {
    t.equal(scan(line(longestLine), size).found.length, 1)
    t.match(scan(`${line(longestLine + 1)}\n${line(20)}`, size), { found: [line(20)], lines: 2, tooLong: 1 })
    t.match(scan(line(longestLine + 1), size), { found: [], lines: 1, tooLong: 1 })
  }
  t.end()
})

t.test('a very long line does not fill the memory', t => {
  const scanner = new LineScanner(['MARK'], () => {})
  const chunk = Buffer.alloc(1_000_000, 'x')
  const before = process.memoryUsage().arrayBuffers
  for (let megabyte = 0; megabyte < 100; megabyte++) scanner.write(chunk)
  t.ok(process.memoryUsage().arrayBuffers - before < 10_000_000)
  scanner.write(Buffer.from('\n{"MARK":1}\n'))
  t.match(scanner.counts, { lines: 2, tooLong: 1 })
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
    ['message in the nested object', { level: 40, ctx: { abort, msg: message } }]
  ]
  for (const [name, line] of rows) t.match(parseLine(JSON.stringify(line)), { reason: 'body_too_slow', route: '/upload', time: noon }, name)
  t.end()
})

t.test('is not taken in by what only looks like a record', t => {
  const abort = abortRecord()
  const rows: [string, object][] = [
    ['a body that was logged', { body: { abort }, msg: 'got' }],
    ['an error', { err: { code: 'FST_READ_BODY_TIMEOUT', phase: 'body', reason: 'body_timeout' }, msg: message }],
    ['a url', { req: { url: '/?FST_READ_' } }],
    ['too deep', { a: { b: { abort } }, msg: message }],
    ['another code', { abort: { ...abort, code: 'OTHER' }, msg: message }],
    ['no phase', { abort: { ...abort, phase: undefined }, msg: message }],
    ['a list', { abort: [abort], msg: message }],
    ['null', { abort: null, msg: message }],
    ['a body with a summary', { body: { abortsSuppressed: 1e9 }, msg: 'got' }]
  ]
  for (const [name, line] of rows) t.equal(parseLine(JSON.stringify(line)), 'other', name)
  t.equal(parseLine('[]'), 'not json')
  t.end()
})

t.test('finds the line about records left out', t => {
  const text = '40 records of aborted request reads were left out of the log'
  t.same(parseLine(JSON.stringify({ time: noon, abortsSuppressed: 40, period: 1, msg: text })), { suppressed: 40, time: noon })
  t.same(parseLine(JSON.stringify({ time: noon, payload: { abortsSuppressed: 40, period: 1 }, message: text })), { suppressed: 40, time: noon })
  t.equal(parseLine(JSON.stringify({ abortsSuppressed: '40' })), 'other')
  t.equal(parseLine(JSON.stringify({ abortsSuppressed: -1 })), 'other')
  t.end()
})

t.test('takes the time from the line where the record has none', t => {
  const timeOf = (time: unknown) => {
    const parsed = parseLine(JSON.stringify({ time, abort: abortRecord({ time: 'no time' }) }))
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
  t.match(parseLine(JSON.stringify({ abort: odd })), {
    received: 0, expected: undefined, elapsed: 0, idle: 0, rate: 0, reason: 'unknown', blame: 'client_invalid', route: '(not routed)', client: '(unknown)'
  })
  t.end()
})
