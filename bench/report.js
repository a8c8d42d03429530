// How long `fastify-read-guard report` takes for a log, and how much memory, on this machine; with the sums checked
// against jq (without it, against what was generated). Exits with 1 where they differ, or a run takes more than 10 s or
// 150 MB. Run `npm run build` first, then `node bench/report.js [lines] [--brief]`.
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream, createWriteStream, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { deepEqual } from 'node:assert/strict'
import { createGzip } from 'node:zlib'

/** @typedef {import('../dist/report/report.js').Report} Report */

const most = { seconds: 10, megabytes: 150 }
const lines = Number(process.argv[2] ?? 1_000_000)
const brief = process.argv[3] === '--brief'
const cli = process.env.REPORT_CLI ?? fileURLToPath(new URL('../dist/report/cli.js', import.meta.url))
const sayPeak = fileURLToPath(new URL('say-peak.js', import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'read-guard-report-'))

/**
 * Repeatable numbers from 0 to 1 (Mulberry32).
 *
 * @param {number} seed
 */
function random (seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let bits = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits
    return ((bits ^ (bits >>> 14)) >>> 0) / 4_294_967_296
  }
}

let next = random(1)
const routes = ['/upload', '/api/items', '/api/items/:id', '/webhook', '/files/*', undefined]
/** @type {readonly (readonly [code: string, reason: string, blame: string, limit: number | undefined])[]} */
const reasons = [
  ['FST_READ_BODY_TOO_SLOW', 'body_too_slow', 'client_slow', 240],
  ['FST_READ_BODY_TIMEOUT', 'body_timeout', 'client_slow', 300_000],
  ['FST_READ_BODY_IDLE_TIMEOUT', 'body_idle_timeout', 'client_slow', 20_000],
  ['FST_READ_ABORTED', 'client_aborted', 'client_gone', undefined],
  ['FST_READ_BODY_TOO_LARGE', 'body_too_large', 'client_invalid', 1_048_576]
]

/** @param {number} time */
function recordLine (time) {
  const [code, reason, blame, limit] = reasons[Math.floor(next() * reasons.length)] ?? []
  const expected = Math.ceil(next() * 10_000_000)
  const received = Math.floor(next() * expected)
  const elapsed = Math.ceil(next() * 300_000)
  const rate = Math.round(received / elapsed * 100_000) / 100
  const route = routes[Math.floor(next() * routes.length)]
  const remoteAddress = next() < 0.3 ? '203.0.113.7' : `10.${Math.floor(next() * 256)}.${Math.floor(next() * 256)}.${Math.floor(next() * 256)}`
  const abort = { code, reason, phase: 'body', blame, statusCode: 408, answered: true, received, expected, limit, elapsed, paused: 0, idle: Math.floor(elapsed * next()), rate, method: 'POST', url: '/upload?name=a', route, reqId: 'req-1', ip: remoteAddress, remoteAddress, remotePort: 50_000, protocol: 'http/1.1', tls: false, observed: next() < 0.1, time: new Date(time).toISOString() }
  const [level, msg] = abort.observed ? [30, 'request read would have been aborted'] : [40, 'request read aborted']
  return JSON.stringify({ level, time, pid: 1, hostname: 'web-1', reqId: 'req-1', abort, msg })
}

/**
 * Of a request, its beginning and its end in turn.
 *
 * @param {number} time
 * @param {number} index
 */
function requestLine (time, index) {
  const about = { level: 30, time, pid: 1, hostname: 'web-1', reqId: `req-${(index >> 1).toString(36)}` }
  if (index % 2 === 0) return JSON.stringify({ ...about, req: { method: 'GET', url: `/api/items/${Math.floor(next() * 1e6)}`, host: 'example.com', remoteAddress: '10.0.0.1', remotePort: 50_000 }, msg: 'incoming request' })
  return JSON.stringify({ ...about, res: { statusCode: 200 }, responseTime: Math.round(next() * 1e6) / 1000, msg: 'request completed' })
}

const stamp = '2025-03-01T12:00:00.123456789Z'
/** @type {readonly ((line: string) => string)[]} */
const wrappings = [
  (line) => line,
  (line) => JSON.stringify({ log: `${line}\n`, stream: 'stdout', time: stamp }),
  (line) => `${stamp} stdout F ${line}`,
  (line) => `${stamp} stdout P ${line.slice(0, 90)}\n${stamp} stdout F ${line.slice(90)}`,
  (line) => JSON.stringify({ __REALTIME_TIMESTAMP: '1740830400000000', PRIORITY: '6', _HOSTNAME: 'web-1', MESSAGE: line }),
  (line) => `[pod/shop-7d4b9/app] ${line}`,
  (line) => JSON.stringify({ labels: { app: 'shop' }, line, timestamp: stamp }),
  (line) => JSON.stringify({ insertId: 'a', jsonPayload: JSON.parse(line), timestamp: stamp, severity: 'INFO' })
]

/**
 * @param {string} file
 * @param {number} kinds so many wrappings in turn
 */
async function generate (file, kinds) {
  next = random(1)
  const output = createWriteStream(file)
  let block = ''
  for (let line = 0; line < lines; line++) {
    const time = 1_740_787_200_000 + line * 250
    const text = line % 10 === 0 ? recordLine(time) : requestLine(time, Math.floor(line / 10) * 9 + line % 10 - 1)
    block += `${wrappings[(line >> 8) % kinds]?.(text)}\n`
    if (block.length > 1_000_000) {
      if (!output.write(block)) await once(output, 'drain')
      block = ''
    }
  }
  output.end(block)
  await once(output, 'finish')
}

/** Of every kind, route and reason: how many, and the bytes received. */
const query = 'reduce (inputs | .abort // empty) as $a ({}; .["\\($a.observed) \\($a.route // "(not routed)") \\($a.reason)"] |= [(.[0] // 0) + 1, (.[1] // 0) + $a.received])'

/** @param {Report} report */
function sumsOf (report) {
  const rows = [report.failed, report.observed].flatMap((section) => section.groups
    .map(({ route, reason, count, received }) => [`${section === report.observed} ${route} ${reason}`, [count, received]]))
  return Object.fromEntries(rows)
}

/**
 * Runs the command, and prints what it took.
 *
 * @param {string} name
 * @param {readonly string[]} args
 * @returns {string} what it wrote
 * @throws where it failed
 */
function measure (name, args) {
  const started = performance.now()
  const run = spawnSync(process.execPath, ['--import', sayPeak, cli, 'report', ...args], { encoding: 'utf8', maxBuffer: 1e8 })
  const seconds = (performance.now() - started) / 1000
  if (run.status !== 0) throw new Error(run.stderr)
  const megabytes = Number(run.stderr) / 1e6
  const tooMuch = seconds > most.seconds || megabytes > most.megabytes
  if (tooMuch) process.exitCode = 1
  console.log(`| ${name.padEnd(38)} | ${seconds.toFixed(2).padStart(5)} s | ${megabytes.toFixed(0).padStart(5)} MB |${tooMuch ? ' too much' : ''}`)
  return run.stdout
}

/**
 * Whether the sums of every route and reason are those that jq finds.
 *
 * @param {Report} report
 * @param {string} file
 */
function check (report, file) {
  const jq = spawnSync('jq', ['-n', query, file], { encoding: 'utf8', maxBuffer: 1e8 })
  try {
    if (jq.error === undefined) deepEqual(sumsOf(report), JSON.parse(jq.stdout))
    else deepEqual(report.failed.count + report.observed.count, Math.ceil(lines / 10))
    console.log(jq.error === undefined ? 'The sums of every route and reason are those of jq.' : 'jq is not installed: only the number of records was checked.')
  } catch (error) {
    console.log(`The sums are wrong: ${error instanceof Error ? error.message : error}`)
    process.exitCode = 1
  }
}

try {
  const file = join(directory, 'app.log')
  await generate(file, 1)
  await pipeline(createReadStream(file), createGzip(), createWriteStream(`${file}.gz`))
  console.log(`${lines} lines, ${(statSync(file).size / 1e6).toFixed(0)} MB, of them ${Math.ceil(lines / 10)} records\n`)
  console.log(`| ${'report'.padEnd(38)} | ${'time'.padStart(7)} | peak RSS |\n|${'-'.repeat(40)}|--------:|---------:|`)
  const report = JSON.parse(measure('--json', ['--json', file]))
  if (!brief) {
    measure('--json, gzipped', ['--json', `${file}.gz`])
    measure('as text, --html', ['--html', join(directory, 'page.html'), file])
    measure('--json --html --group-by client', ['--json', '--html', join(directory, 'page.html'), '--group-by', 'client', file])
    await generate(`${file}.mixed`, wrappings.length)
    const mixed = JSON.parse(measure('--json, in eight wrappings', ['--json', `${file}.mixed`]))
    deepEqual(sumsOf(mixed), sumsOf(report))
    measure('--json --html --group-by hour', ['--json', '--html', join(directory, 'page.html'), '--group-by', 'hour', file])
  }
  console.log()
  check(report, file)
} finally {
  rmSync(directory, { recursive: true, force: true })
}
