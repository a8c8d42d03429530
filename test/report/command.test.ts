import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { abortLine, jsonOf, logOf, noon, requestLine, run, variedRecords } from '../support/app/report-log.js'

const suppressedLine = JSON.stringify({ level: 40, time: noon, abortsSuppressed: 40, period: 10_000, msg: '40 records of aborted request reads were left out of the log' })

t.test('counts and sums by route and reason', async t => {
  const records = variedRecords(2000)
  const report = await jsonOf(logOf(records).trimEnd().split('\n'))
  const expected = new Map<string, [number, number]>()
  for (const { observed, route, reason, received = 0 } of records) {
    const key = `${observed} ${route ?? '(not routed)'} ${reason}`
    const [count, sum] = expected.get(key) ?? [0, 0]
    expected.set(key, [count + 1, sum + received])
  }
  const rows = [report.failed, report.observed].flatMap((section, index) => section.groups
    .map(({ route, reason, count, received }): [string, [number, number]] => [`${index === 1} ${route} ${reason}`, [count, received]]))
  t.same(new Map(rows.sort()), new Map([...expected].sort()))
  t.match(report.input, { lines: 4000, kinds: { pino: 4000 }, records: 2000, passedOver: { text: 0, json: 0, broken: 0, tooLong: 0 }, suppressed: 0 })
})

t.test('observed records are apart, as what enforcing would have cut', async t => {
  const stdin = `${abortLine({ observed: true })}\n${abortLine()}\n`
  const { failed, observed } = await jsonOf([abortLine({ observed: true }), abortLine()])
  t.equal(failed.count, 1)
  t.equal(observed.count, 1)
  t.match((await run(['report'], { stdin })).stdout, /^1 read recorded in observe mode; enforcing the limits would have cut 1\.$/m)
})

t.test('clients that left by themselves are not what enforcing would have cut', async t => {
  const gone = { observed: true, reason: 'client_aborted', blame: 'client_gone', limit: undefined } as const
  const lines = [...Array.from({ length: 3 }, () => abortLine(gone)), ...Array.from({ length: 2 }, () => abortLine({ observed: true })), abortLine({ observed: true, reason: 'malformed', blame: 'client_invalid', limit: undefined })]
  const stdin = lines.join('\n')
  t.match((await run(['report'], { stdin })).stdout.replaceAll(/\s+/g, ' '), '6 reads recorded in observe mode; enforcing the limits would have cut 3. In 3 the client left by itself.')
  const page = join(t.testdir(), 'page.html')
  await run(['report', '--html', page], { stdin })
  t.match(readFileSync(page, 'utf8'), 'enforcing the limits would have cut 3. In 3 the client left by itself.')
})

t.test('records that logLimit left out are summed up and said', async t => {
  const stdin = [abortLine(), suppressedLine, suppressedLine].join('\n')
  t.equal((await jsonOf([abortLine(), suppressedLine, suppressedLine])).input.suppressed, 80)
  t.match((await run(['report'], { stdin })).stdout, '80 more records were kept out of the log')
})

t.test('a log without aborted reads is reported as such', async t => {
  for (const stdin of [`${requestLine}\n`, `plain text\n${requestLine}`]) t.match(await run(['report'], { stdin }), { status: 0, stdout: /No read failed\./ })
})

t.test('a file without one log line is never a log in which no read failed: 1, and what it looks like', async t => {
  const access = '203.0.113.9 - - [01/Mar/2025:12:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "curl"\n'
  const rows: [string | Buffer, RegExp][] = [
    ['', /looks like nothing: it is empty\n$/],
    ['\n\n', /looks like nothing: it is empty\n$/],
    ['plain text\nmore of it\n', /looks like text, such as plain text\n$/],
    [access.repeat(3), /an access log of a web server/],
    ['2025/03/01 12:00:00 [error] 31#31: *1 open() failed\n'.repeat(2), /an error log of nginx/],
    ['level=info msg=hello ts=1\n', /logfmt/],
    ['<!doctype html>\n<html>\n', /HTML or XML/],
    ['a,b,c\n1,2,3\n', /CSV without log lines/],
    ['{"name":"shop","version":"1.0.0"}\n{"a":1}\n', /JSON other than log lines, such as \{"name":"shop","version":"1\.0\.0"\}\n$/],
    ['{\n  "name": "shop",\n  "dependencies": {\n    "fastify": "^5"\n  }\n}\n', /JSON other than log lines/],
    ['{"level":30,"time":1\n{"level":30,\n', /truncated JSON/],
    [Buffer.from('PAR1\u0015\u0004\u0000'), /Parquet/],
    [Buffer.from('PK\u0003\u0004\u0014\u0000'), /zip/],
    [Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), /xz/],
    [Buffer.from('BZh91AY'), /bzip2/],
    [Buffer.from([0, 1, 2, 3, 0, 200]), /binary data/],
    [`"${'x'.repeat(1_100_000)}"`, /lines longer than 1 MiB/],
    ['plain \u001b[31m\u202e text', /plain \\u\{1b\}\[31m\\u\{202e\} text/]
  ]
  for (const [stdin, message] of rows) {
    const { status, stdout, stderr } = await run(['report'], { stdin })
    t.equal(status, 1, String(message))
    t.equal(stdout, '')
    t.match(stderr, message)
    t.match(stderr, /^fastify-read-guard: there is not one log line in standard input, which looks like [^\n]+\n$/)
  }
  const machine = await run(['report', '--json'], { stdin: access })
  t.equal(machine.status, 1)
  t.match(JSON.parse(machine.stdout), { input: { lines: 1, passedOver: { text: 1 } }, failed: { count: 0 } })
})

t.test('reads several files, gzip among them, each to its end', async t => {
  const directory = t.testdir()
  const plain = join(directory, 'a.log')
  const zipped = join(directory, 'b.log.1') // told by its content
  const members = join(directory, 'c.log.gz')
  writeFileSync(plain, abortLine())
  writeFileSync(zipped, gzipSync(`${abortLine()}\n`))
  writeFileSync(members, Buffer.concat([gzipSync(`${abortLine()}\n`), gzipSync(`${abortLine()}\n${abortLine()}`)]))
  const { stdout } = await run(['report', '--json', plain, zipped, members, '-'], { stdin: gzipSync(abortLine()) })
  t.match(JSON.parse(stdout), { input: { lines: 6, records: 6, files: [plain, zipped, members, 'standard input'] } })
})

t.test('a gzip file that breaks off is read up to there, and said to be damaged', async t => {
  const file = join(t.testdir(), 'cut.gz')
  const whole = gzipSync(logOf(variedRecords(2000)))
  writeFileSync(file, whole.subarray(0, whole.length / 2))
  const { status, stdout, stderr } = await run(['report', '--json', file])
  const { input } = JSON.parse(stdout)
  t.equal(status, 0)
  t.same(input.damaged, [file])
  t.ok(input.records > 500 && input.records < 2000, `${input.records} records`)
  t.match(stderr, 'is damaged or truncated')
})

t.test('what came before the damage in a gzip file is reported', async t => {
  const log = logOf(variedRecords(2000))
  const whole = gzipSync(log)
  const flip = (at: number) => {
    const bytes = Buffer.from(whole)
    bytes.writeUInt8(bytes.readUInt8(at) ^ 0xff, at)
    return bytes
  }
  const rows: [string, Buffer, number][] = [
    ['nothing', whole, 2000],
    ['one line and something else behind it', Buffer.concat([gzipSync(abortLine()), Buffer.from('no gzip')]), 1],
    ['something else behind it', Buffer.concat([whole, Buffer.alloc(500, 'x')]), 2000],
    ['a second file whose head is damaged', Buffer.concat([whole, gzipSync(abortLine()).fill(0xff, 2, 10)]), 2000],
    ['a wrong checksum', flip(whole.length - 6), 2000],
    ['the last byte is missing', whole.subarray(0, -1), 2000]
  ]
  for (const [what, bytes, records] of rows) {
    const { input } = await jsonOf(bytes)
    t.match(input, { lines: 2 * records - (records === 1 ? 1 : 0), records, damaged: what === 'nothing' ? [] : ['standard input'] }, what)
  }
  const { input } = await jsonOf(flip(Math.floor(whole.length / 2)))
  t.same(input.damaged, ['standard input'])
  t.ok(input.records > 800, `${input.records} of about 1000 records before a damage in the middle`)
})

t.test('gzip data that unpacks to very much more is read as it comes', async t => {
  const { input } = await jsonOf(gzipSync(Buffer.concat([Buffer.alloc(30_000_000, '\n'), Buffer.from(abortLine())])))
  t.match(input, { lines: 1, records: 1, damaged: [] })
})

t.test('--since and --until take a stretch of time', async t => {
  const at = (minutes: number) => abortLine({ time: new Date(noon + minutes * 60_000).toISOString() })
  const lines = [at(-120), at(-60), at(-1), at(0)]
  const counted = async (...args: string[]) => (await jsonOf(lines, ...args)).failed.count
  t.equal(await counted(), 4)
  t.equal(await counted('--since', '2025-03-01T11:00'), 3)
  t.equal(await counted('--since', '2025-03-01T12:00:00+01:00'), 3)
  t.equal(await counted('--since', '2025-03-01'), 4)
  t.equal(await counted('--until', '2025-03-01 11:00'), 1)
  t.equal(await counted('--since', '2024-02-29'), 4, 'a leap day')
  t.equal(await counted('--since', '60m'), 3)
  t.equal(await counted('--since', '5000w'), 4)
  t.equal(await counted('--since', '1h', '--until', '30s'), 2)
  const { input } = await jsonOf([...lines, suppressedLine, suppressedLine.replaceAll('40 records', '9 records').replace(':40,"period', ':9,"period').replace(String(noon), String(noon - 7_200_000))], '--since', '1h')
  t.match(input, { records: 4, filteredOut: 1, suppressed: 40 })
})

t.test('--route takes one route, or with * many', async t => {
  const lines = ['/a', '/a/b', '/a/:id', '/files/*', undefined].map(route => abortLine({ route }))
  const routes = async (pattern: string) => (await jsonOf(lines, '--route', pattern)).failed.routes.map(row => row.route).sort()
  t.same(await routes('/a'), ['/a'])
  t.same(await routes('/a/*'), ['/a/:id', '/a/b'])
  t.same(await routes('/files/*'), ['/files/*'])
  t.same(await routes('*'), ['(not routed)', '/a', '/a/:id', '/a/b', '/files/*'])
  t.same(await routes('*a*b'), ['/a/b'])
  t.same(await routes('/a*a'), [])
  t.same(await routes('(not routed)'), ['(not routed)'])
})

t.test('--group-by forms the rows', async t => {
  const lines = [
    abortLine({ route: '/a', remoteAddress: '10.0.0.1', time: '2025-03-01T12:10:00.000Z' }),
    abortLine({ route: '/a', remoteAddress: '10.0.0.2', time: '2025-03-01T11:10:00.000Z', reason: 'malformed' }),
    abortLine({ route: '/b', remoteAddress: '10.0.0.2', time: '2025-03-01T12:59:59.999Z' })
  ]
  const rows = async (...args: string[]) => (await jsonOf(lines, ...args)).failed.groups
    .map(({ route, reason, client, hour, count }) => [route, reason, client, hour, count].filter(value => value !== undefined))
  t.same(await rows(), [['/a', 'body_too_slow', 1], ['/a', 'malformed', 1], ['/b', 'body_too_slow', 1]])
  t.same(await rows('--group-by', 'route'), [['/a', 2], ['/b', 1]])
  t.same(await rows('--group-by', 'reason'), [['body_too_slow', 2], ['malformed', 1]])
  t.same(await rows('--group-by', 'client'), [['10.0.0.2', 2], ['10.0.0.1', 1]])
  t.same(await rows('--group-by=hour'), [['2025-03-01T11:00:00.000Z', 1], ['2025-03-01T12:00:00.000Z', 2]])
})

t.test('bad usage is one line on standard error, and 2', async t => {
  const directory = t.testdir({ 'a.log': abortLine() })
  const log = join(directory, 'a.log')
  mkdirSync(join(directory, 'sub'))
  const cases: [string[], RegExp][] = [
    [[], /a command is missing/],
    [['reprot'], /unknown command 'reprot'/],
    [['demo', 'shop.log'], /demo takes no arguments; got 'shop.log'/],
    [['report', '--jsom'], /--jsom/],
    [['report', '--html'], /--html/],
    [['report', '--html', '-'], /--html needs the name of a file/],
    [['report', '--json=1'], /--json/],
    [['report', '--group-by', 'url'], /route, reason, client or hour; got 'url'/],
    [['report', '--since', 'yesterday'], /--since must be .* got 'yesterday'/],
    [['report', '--since', '2025-13-01'], /--since must be/],
    [['report', '--since', '2025-02-30'], /--since must be .* got '2025-02-30'/],
    [['report', '--until', '2025-02-29T10:00'], /--until must be/],
    [['report', '--since', '2025-03-01T25:00'], /--since must be/],
    [['report', '--since', '99999999999w'], /--since is too far back; got '99999999999w'/],
    [['report', '--until', '9'.repeat(400) + 'd'], /--until is too far back/],
    [['report', '--until', '2h30'], /--until must be/],
    [['report', '--since', '1h', '--until', '2h'], /--since must be before --until/],
    [['report', '-', '-'], /only once/],
    [['report', join(directory, 'none.log')], /cannot read .*none\.log: no such file or directory/],
    [['report', log, directory], /cannot read .*: it is a directory/],
    [['report', log, '--html', join(directory, 'sub')], /cannot write .*: it is a directory/],
    [['report', log, '--html', join(directory, 'none', 'page.html')], /cannot write .*: no such file or directory/],
    [['report', log, '--html', log], /would overwrite the log/],
    [['report', 'no\nsuch\u001b[31mfile'], /no\\u\{a\}such\\u\{1b\}\[31mfile/]
  ]
  for (const [argv, message] of cases) {
    const { status, stdout, stderr } = await run(argv)
    t.equal(status, 2, argv.join(' '))
    t.equal(stdout, '')
    t.match(stderr, message)
    t.match(stderr, /^fastify-read-guard: [^\n]+\n$/, 'one line')
  }
  t.match(readFileSync(log, 'utf8'), 'FST_READ', 'the log is still there')
})

t.test('a terminal as standard input needs a file', async t => {
  t.match(await run(['report'], { stdinIsTTY: true }), { status: 2, stderr: /standard input is a terminal/ })
})

t.test('pino-pretty output needs the raw lines', async t => {
  const pretty = [
    '[12:00:00.000] \u001b[33mWARN\u001b[39m (123): \u001b[36mrequest read aborted\u001b[39m\n    abort: {\n      "code": "FST_READ_BODY_TIMEOUT"\n    }\n',
    'INFO [2025-03-01 12:00:00.000 +0000] (123 on web-1): incoming request\n',
    'WARN: request read aborted {"abort":{"code":"FST_READ_BODY_TIMEOUT"}}\n',
    'WARN (app): request read aborted\n',
    'USERLVL: request read aborted\n',
    '[12:00:00.000] NOTICE (app/123): request read aborted\n',
    'NOTICE [12:00:00.000]: request read aborted\n',
    'NOTICE (app/123 on web-1): request read aborted\n',
    '[12:00:00.000] (123 on web-1): request read aborted\n'
  ]
  const others = ['Error: no such file\n', 'at 12:00: (sic)\n', '127.0.0.1 - - [01/Mar/2025:12:00:00 +0000] "GET / HTTP/1.1" 200 5\n', '[Sat Mar 01 12:00:00] [error] client denied: /\n', 'NOTE: nothing\n']
  for (const stdin of others) t.notMatch((await run(['report'], { stdin })).stderr, /pino-pretty/)
  for (const stdin of pretty) t.match(await run(['report'], { stdin }), { status: 1, stdout: '', stderr: /pino-pretty.*raw JSON lines/ })
  t.match(await run(['report'], { stdin: `${abortLine()}\n${pretty[0]}` }), { status: 0, stdout: /passed over: 4 not JSON/ }, 'among raw lines it is passed over')
})

t.test('--help and --version', async t => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  t.match(await run(['report', '--help']), { status: 0, stdout: /^Usage: fastify-read-guard report/, stderr: '' })
  t.same(await run(['--version']), { status: 0, stdout: `${version}\n`, stderr: '' })
  for (const line of (await run(['--help'])).stdout.split('\n')) t.ok(line.length <= 120)
})

t.test('the plugin loads nothing of the report', async t => {
  const index = readFileSync(new URL('../../lib/index.ts', import.meta.url), 'utf8')
  t.notMatch(index, 'report')
})
