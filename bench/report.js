// How long `fastify-read-guard report` takes for a log, and how much memory, on this machine; with the sums checked
// against jq (without it, against what was generated). Run `npm run build` first, then `node bench/report.js [lines]`.
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { deepEqual } from 'node:assert/strict'

const lines = Number(process.argv[2] ?? 1_000_000)
const cli = process.env.REPORT_CLI ?? fileURLToPath(new URL('../dist/report/cli.js', import.meta.url))
const sayPeak = "data:text/javascript,process.on('exit',()=>process.stderr.write(String(process.resourceUsage().maxRSS)))"
const directory = mkdtempSync(join(tmpdir(), 'read-guard-report-'))

/** Repeatable numbers from 0 to 1 (Mulberry32). */
function random (seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let bits = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits
    return ((bits ^ (bits >>> 14)) >>> 0) / 4_294_967_296
  }
}

const next = random(1)
const routes = ['/upload', '/api/items', '/api/items/:id', '/webhook', '/files/*', undefined]
const reasons = [
  ['FST_READ_BODY_TOO_SLOW', 'body_too_slow', 'client_slow', 240],
  ['FST_READ_BODY_TIMEOUT', 'body_timeout', 'client_slow', 300_000],
  ['FST_READ_BODY_IDLE_TIMEOUT', 'body_idle_timeout', 'client_slow', 20_000],
  ['FST_READ_ABORTED', 'client_aborted', 'client_gone', undefined],
  ['FST_READ_BODY_TOO_LARGE', 'body_too_large', 'client_invalid', 1_048_576]
]

function recordLine (time) {
  const [code, reason, blame, limit] = reasons[Math.floor(next() * reasons.length)]
  const expected = Math.ceil(next() * 10_000_000)
  const received = Math.floor(next() * expected)
  const elapsed = Math.ceil(next() * 300_000)
  const rate = Math.round(received / elapsed * 100_000) / 100
  const route = routes[Math.floor(next() * routes.length)]
  const remoteAddress = next() < 0.3 ? '203.0.113.7' : `10.${Math.floor(next() * 256)}.${Math.floor(next() * 256)}.${Math.floor(next() * 256)}`
  const abort = { code, reason, phase: 'body', blame, statusCode: 408, answered: true, received, expected, limit, elapsed, paused: 0, idle: Math.floor(elapsed * next()), rate, method: 'POST', url: '/upload?name=a', route, reqId: 'req-1', remoteAddress, remotePort: 50_000, protocol: 'http/1.1', tls: false, observed: next() < 0.1, time: new Date(time).toISOString() }
  return JSON.stringify({ level: 40, time, pid: 1, hostname: 'web-1', reqId: 'req-1', abort, msg: 'request read aborted' })
}

function requestLine (time) {
  return JSON.stringify({ level: 30, time, pid: 1, hostname: 'web-1', reqId: 'req-1', req: { method: 'GET', url: `/api/items/${Math.floor(next() * 1e6)}`, host: 'example.com', remoteAddress: '10.0.0.1', remotePort: 50_000 }, msg: 'incoming request' })
}

async function generate (file) {
  const output = createWriteStream(file)
  let block = ''
  for (let line = 0; line < lines; line++) {
    const time = 1_740_787_200_000 + line * 250
    block += (line % 10 === 0 ? recordLine(time) : requestLine(time)) + '\n'
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

function sumsOf (report) {
  const rows = [['false', report.failed], ['true', report.observed]].flatMap(([observed, section]) => section.groups
    .map(({ route, reason, count, received }) => [`${observed} ${route} ${reason}`, [count, received]]))
  return Object.fromEntries(rows)
}

try {
  const file = join(directory, 'app.log')
  await generate(file)
  const started = performance.now()
  const run = spawnSync(process.execPath, ['--import', sayPeak, cli, 'report', '--json', file], { encoding: 'utf8', maxBuffer: 1e8 })
  const seconds = (performance.now() - started) / 1000
  if (run.status !== 0) throw new Error(run.stderr)
  const report = JSON.parse(run.stdout)
  console.log(`${lines} lines, ${(statSync(file).size / 1e6).toFixed(0)} MB, ${report.input.records} records: ${seconds.toFixed(2)} s, peak RSS ${(Number(run.stderr) / 1024).toFixed(0)} MiB`)

  const jq = spawnSync('jq', ['-n', query, file], { encoding: 'utf8', maxBuffer: 1e8 })
  if (jq.error !== undefined) {
    console.log('jq is not installed: only the number of records is checked')
    deepEqual(report.failed.count + report.observed.count, Math.ceil(lines / 10))
  } else {
    deepEqual(sumsOf(report), JSON.parse(jq.stdout))
    console.log('the sums of every route and reason are those of jq')
  }
} finally {
  rmSync(directory, { recursive: true, force: true })
}
