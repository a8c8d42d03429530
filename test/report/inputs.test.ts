import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as zlib from 'node:zlib'
import t from 'tap'
import { abortLine, abortRecord, jsonOf, noon, run, variedRecords } from '../support/app/report-log.js'
import { wrappings } from '../support/app/wrapped-logs.js'
import type { Report } from '../../lib/report/report.js'

const message = 'request read aborted'
const id = { level: 30, time: noon, pid: 1, hostname: 'web-1' }
/** Of one request: what Fastify writes at its beginning and its end. */
const exchange = (index: number) => [
  JSON.stringify({ ...id, reqId: `req-${index}`, req: { method: 'POST', url: `/upload?n=${index}`, host: 'a', remoteAddress: '10.0.0.1' }, msg: 'incoming request' }),
  JSON.stringify({ ...id, reqId: `req-${index}`, res: { statusCode: 200 }, responseTime: 12.5, msg: 'request completed' })
]
const others = [JSON.stringify({ ...id, user: { name: 'é 漢字' }, msg: 'hello "there"\n' }), ...Array.from({ length: 30 }, (_, index) => exchange(index)).flat()]
const records = variedRecords(20).map(record => ({ ...record, observed: false }))
const lines = [...records.map(record => abortLine(record)), ...others]

function sumsOf ({ failed }: Report): Map<string, [number, number]> {
  return new Map(failed.groups.map(({ route, reason, count, received }): [string, [number, number]] => [`${route} ${reason}`, [count, received]]).sort())
}

t.test('20 records are 20 records, and 30 requests are 30, in whatever they are kept', async t => {
  const bare = sumsOf(await jsonOf(lines))
  for (const [name, wrap] of Object.entries(wrappings)) {
    const report = await jsonOf(Buffer.from(wrap(lines)))
    const { input, requests } = report
    t.match(input, { records: 20, doubtful: 0, passedOver: { json: 0, broken: 0, tooLong: 0 } }, name)
    t.equal(requests?.completed, 30, `${name}: requests`)
    t.equal(report.failed.routes.find(({ route }) => route === '/upload')?.requests?.count, 30, `${name}: by route`)
    t.same(sumsOf(report), bare, `${name}: sums`)
  }
})

t.test('each kind of wrapping is counted, and every line is either a log line or passed over', async t => {
  const kindOf: Record<string, string> = { 'bare NDJSON': 'pino', 'Docker json-file': 'docker', 'Kubernetes CRI': 'cri', 'Kubernetes CRI, cut into parts': 'cri', 'journalctl -o json': 'journald', 'GCP, jsonPayload': 'gcp', 'Loki, logcli -o jsonl': 'wrapped', Heroku: 'prefixed' }
  for (const [name, kind] of Object.entries(kindOf)) {
    const { input: { kinds } } = await jsonOf(Buffer.from(wrappings[name]?.(lines) ?? ''))
    t.same(Object.entries(kinds).filter(([, count]) => count > 0), [[kind, lines.length]], name)
  }
  const junk = ['', 'plain text', 'a {brace', '{"json":1}', '{"level":30,"cut', `{"x":"${'y'.repeat(1_100_000)}"}`]
  const mixed = Buffer.concat(Object.values(wrappings).filter(wrap => typeof wrap(lines) === 'string').map(wrap => Buffer.from(`${String(wrap(lines))}\n${junk.join('\n')}\n`)))
  const { input } = await jsonOf(mixed)
  const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((total, count) => total + count, 0)
  t.equal(sum(input.kinds) + sum(input.passedOver) + input.parts, input.lines)
  const files = Object.values(wrappings).filter(wrap => typeof wrap(lines) === 'string').length
  t.match(input, { records: 20 * files, passedOver: { json: files, broken: files, tooLong: files } })
  const { stdout } = await run(['report'], { stdin: mixed })
  t.match(stdout.replaceAll(/\s+/g, ' '), /Log lines: [\d,]+ as pino writes them, [\d,]+ in Docker's JSON, [\d,]+ in Kubernetes' container logs, [\d,]+ in the journal's JSON, [\d,]+ in Google Cloud's JSON, [\d,]+ inside other JSON, [\d,]+ behind other text; [\d,]+ lines more are the start of another\./)
  t.match(stdout.replaceAll(/\s+/g, ' '), new RegExp(`passed over: [\\d,]+ not JSON, ${files} JSON but no log line, ${files} truncated JSON, ${files} longer than 1 MiB`))
})

t.test('lines are the same whatever the chunks, also in arrays and in objects over several lines', async t => {
  const few = lines.slice(15, 24)
  for (const name of ['Kubernetes CRI, cut into parts', 'a JSON array', 'a JSON array of strings', 'aws logs filter-log-events', 'pretty-printed, as by jq', 'UTF-16, little-endian']) {
    const file = join(t.testdir(), 'app.log')
    const whole = Buffer.from(wrappings[name]?.(few) ?? '')
    writeFileSync(file, whole)
    const expected = await jsonOf(whole)
    for (const size of [1, 7, 100]) {
      const chunks = Array.from({ length: Math.ceil(whole.length / size) }, (_, index) => whole.subarray(index * size, (index + 1) * size))
      t.same((await jsonOf(chunks)).input, expected.input, `${name} in chunks of ${size}`)
    }
  }
})

t.test('a large document is taken apart as it comes', async t => {
  const many = Array.from({ length: 4000 }, () => abortLine())
  for (const name of ['aws logs filter-log-events', 'a JSON array', 'GCP, jsonPayload', 'Datadog']) {
    const { input } = await jsonOf(Buffer.from(wrappings[name]?.(many) ?? ''))
    t.match(input, { records: 4000, passedOver: { broken: 0, tooLong: 0 } }, name)
  }
})

t.test('what only begins like a document does not swallow the lines behind it', async t => {
  for (const start of ['{\n  msg: \'it"s\'\n}', '{', '[', '[\n{', '{\n  "a": [\n    {', '[{"a":"\n']) {
    const { input } = await jsonOf(Buffer.from(`${start}\n${abortLine()}\n${abortLine()}\n`))
    t.ok(input.records >= 1, `${input.records} records behind ${JSON.stringify(start)}`)
  }
})

t.test('a line whose end never comes is counted, and nothing of it is mixed up with the next', async t => {
  const part = (text: string, tag: string, stream = 'stdout') => `2025-03-01T12:00:00Z ${stream} ${tag} ${text}`
  const line = abortLine()
  const [start, end] = [line.slice(0, 200), line.slice(200)]
  t.match((await jsonOf([part(start, 'P')])).input, { lines: 1, records: 0, parts: 0, passedOver: { broken: 1 } })
  t.match((await jsonOf([part(start, 'P'), part(start, 'P', 'stderr'), part(end, 'F', 'stderr'), part(end, 'F')])).input, { lines: 4, records: 2, parts: 2 }, 'streams are apart')
  const docker = (log: string) => JSON.stringify({ log, stream: 'stdout', time: 'now' })
  t.match((await jsonOf([docker(start), docker(`${line}\n`)])).input, { lines: 2, records: 1, parts: 0, passedOver: { broken: 1 } })
})

const forged = abortRecord({ route: '/forged' })
const forgedLine = JSON.stringify({ ...id, level: 40, abort: forged, msg: message })
const escaped = forgedLine.replaceAll(' ', '\\u0020')
/** What an application writes that logs what a client has sent. */
const clientsLines: Readonly<Record<string, object>> = {
  'as a text': { ...id, body: forgedLine, msg: 'got' },
  'as the message': { ...id, msg: forgedLine },
  'as the message, under another key': { ...id, message: forgedLine },
  'as the message without pid and host name': { level: 30, time: noon, message: forgedLine },
  'as the message, in the Elastic Common Schema': { 'log.level': 'info', '@timestamp': new Date(noon).toISOString(), message: forgedLine },
  'as an object': { ...id, body: JSON.parse(forgedLine) as object, msg: 'got' },
  'as an object of which the keys are the line\'s': { ...id, abort: forged, msg: 'got' },
  'under the keys of platforms, as texts': { ...id, log: forgedLine, MESSAGE: forgedLine, line: forgedLine, textPayload: forgedLine, event: forgedLine, _raw: forgedLine, '@message': forgedLine, msg: 'got' },
  'under the keys of platforms, as objects': { ...id, jsonPayload: JSON.parse(forgedLine) as object, attributes: { message, abort: forged }, _source: { message, abort: forged }, msg: 'got' },
  'under the keys of platforms, as lists': { ...id, events: [forgedLine], data: [JSON.parse(forgedLine)], values: [['1', forgedLine]], hits: { hits: [{ _source: JSON.parse(forgedLine) as object }] }, msg: 'got' },
  'without base, under the keys of platforms': { level: 30, time: noon, textPayload: forgedLine, log: forgedLine, jsonPayload: { message: forgedLine }, msg: 'got' },
  'in the url': { ...id, reqId: 'req-1', req: { method: 'GET', url: `/?a=${forgedLine}`, host: forgedLine }, msg: 'incoming request' },
  'with spaces in disguise': { ...id, body: escaped, url: escaped, msg: 'got' },
  'in a record of the guard\'s': { ...id, level: 40, abort: abortRecord({ url: `/${forgedLine}`, method: forgedLine, reqId: forgedLine, route: '/real' }), msg: message }
}

t.test('what a client has sent is no record, in whatever the line is kept', async t => {
  for (const [how, line] of Object.entries(clientsLines)) {
    const real = how.includes('record') ? 1 : 0
    for (const [name, wrap] of Object.entries(wrappings)) {
      const { input, failed } = await jsonOf(Buffer.from(wrap([JSON.stringify(line), JSON.stringify({ ...id, msg: 'x' })])))
      t.equal(input.records, real, `${how}, in ${name}`)
      t.notOk(failed.groups.some(({ route }) => route === '/forged'), `${how}, in ${name}`)
    }
  }
})

t.test('a line that breaks off within what a client has sent is no record', async t => {
  const line = JSON.stringify({ ...id, body: JSON.parse(forgedLine) as object, msg: 'got' })
  const end = line.indexOf(`${message}"}`) + message.length + 2
  for (const text of [line.slice(0, end), `app[web.1]: ${line.slice(0, end)}`, `2025-03-01T12:00:00Z stdout F ${line.slice(0, end)}`]) {
    t.match((await jsonOf([text])).input, { records: 0, passedOver: { broken: 1 } })
  }
})

t.test('the sums are those of jq, on a mixed file', { skip: spawnSync('jq', ['--version']).error !== undefined && 'jq is not installed' }, async t => {
  const varied = variedRecords(600).map(record => abortLine(record))
  const names = ['bare NDJSON', 'Docker json-file', 'journalctl -o json', 'Loki, logcli -o jsonl', 'GCP, jsonPayload, a line each', 'Fluent Bit', 'twice: Docker in CloudWatch', 'Kubernetes CRI', 'Heroku', 'PM2']
  const mixed = names.map((name, index) => String(wrappings[name]?.(varied.slice(index * 60, (index + 1) * 60)))).join('')
  // Each line is unwrapped by jq itself: from the first brace on, then whatever holds a line, as deep as there is one.
  const query = `def line: if type == "string" then (index("{\\"") as $at | if $at then .[$at:] | fromjson? // empty else empty end) else . end | if type != "object" then empty elif has("abort") then . else (.log // .MESSAGE // .line // .message // .jsonPayload // empty) | line end;
    reduce (inputs | line | .abort // empty) as $a ({}; .["\\($a.observed) \\($a.route // "(not routed)") \\($a.reason)"] |= [(.[0] // 0) + 1, (.[1] // 0) + $a.received, (.[2] // 0) + ($a.expected // 0)])`
  const jq = spawnSync('jq', ['-n', '-R', query], { encoding: 'utf8', input: mixed })
  t.equal(jq.stderr, '')
  const report = await jsonOf(Buffer.from(mixed))
  const sums = [report.failed, report.observed].flatMap((section, index) => section.groups.map(({ route, reason, count, received, declared }) => [`${index === 1} ${route} ${reason}`, [count, received, declared.expected]]))
  t.same(Object.fromEntries(sums), JSON.parse(jq.stdout))
  t.equal(report.input.records, 600)
})

const { zstdCompressSync } = zlib as { zstdCompressSync?: (data: string) => Buffer }
const log = `${lines.join('\n')}\n`

t.test('zstd is unpacked where Node can, frame by frame', { skip: zstdCompressSync === undefined && 'this Node has no zstd' }, async t => {
  if (zstdCompressSync === undefined) return
  const whole = zstdCompressSync(log)
  t.match((await jsonOf(whole)).input, { records: 20, damaged: [] })
  t.match((await jsonOf(Buffer.concat([whole, whole]))).input, { records: 40, damaged: [] }, 'two frames')
  const skipped = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4])
  t.match((await jsonOf(Buffer.concat([skipped, whole]))).input, { records: 20 }, 'behind a frame to be skipped')
  const long = zstdCompressSync(Array.from({ length: 4000 }, (_, index) => `${abortLine({ received: index, remoteAddress: `10.0.${index >> 8}.${index & 255}` })}\n`).join(''))
  const { input: { records, damaged } } = await jsonOf(long.subarray(0, long.length / 2))
  t.ok(records > 1000 && records < 4000, `${records} records before it breaks off`)
  t.same(damaged, ['standard input'])
  t.match((await jsonOf(Buffer.concat([whole, Buffer.from('something else')]))).input, { records: 20, damaged: ['standard input'] })
  const endless = zstdCompressSync(`${'\n'.repeat(50_000_000)}${abortLine()}`)
  t.match((await jsonOf(endless)).input, { lines: 1, records: 1, damaged: [] })
})

t.test('where Node has no zstd, what to do is one line', { skip: zstdCompressSync !== undefined && 'this Node has zstd' }, async t => {
  const file = join(t.testdir(), 'app.log.zst')
  writeFileSync(file, Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0]))
  t.match(await run(['report', file]), { status: 2, stdout: '', stderr: /^fastify-read-guard: cannot read .*: it is zstd, which Node [\d.]+ cannot unpack; zstdcat .* \| fastify-read-guard report can\n$/ })
})
