import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, cpSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import ts from 'typescript'
import { Progress } from '../../lib/report/text/progress.js'
import { abortLine, logOf, noon, run, variedRecords } from '../support/app/report-log.js'
import { wrappings } from '../support/app/wrapped-logs.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const directory = t.testdir()
const cli = join(directory, 'dist', 'report', 'cli.js')

/** Only what lies in lib/report, each file by itself: if it ran code of the plugin, it could not start. */
t.before(() => {
  cpSync(join(root, 'package.json'), join(directory, 'package.json'))
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true }
  for (const name of readdirSync(join(root, 'lib', 'report'), { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts')) continue
    const { outputText } = ts.transpileModule(readFileSync(join(root, 'lib', 'report', name), 'utf8'), { compilerOptions })
    const compiled = join(directory, 'dist', 'report', name.replace(/\.ts$/, '.js'))
    mkdirSync(dirname(compiled), { recursive: true })
    writeFileSync(compiled, outputText)
  }
})

t.test('the command runs, and needs nothing of the plugin', async t => {
  const file = join(directory, 'app.log')
  writeFileSync(file, logOf(variedRecords(50)))
  const page = join(directory, 'page.html')
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'report', '--json', '--html', page, file], { encoding: 'utf8' })
  t.equal(stderr, '')
  t.equal(status, 0)
  t.equal(JSON.parse(stdout).input.records, 50)
  t.match(readFileSync(page, 'utf8'), /^<!doctype html>/)
  t.match(readFileSync(cli, 'utf8'), /^#!\/usr\/bin\/env node\n/)
})

t.test('reads standard input, plain and gzipped', async t => {
  for (const input of [abortLine(), gzipSync(abortLine())]) {
    const { status, stdout } = spawnSync(process.execPath, [cli, 'report', '--json'], { encoding: 'utf8', input })
    t.equal(status, 0)
    t.equal(JSON.parse(stdout).input.records, 1)
  }
})

t.test('the page does not overwrite the log that is standard input', t => {
  const log = join(directory, 'self.log')
  writeFileSync(log, `${abortLine()}\n`)
  for (const files of [[], ['-']]) {
    const stdin = openSync(log, 'r')
    const ran = spawnSync(process.execPath, [cli, 'report', '--html', log, ...files], { encoding: 'utf8', stdio: [stdin, 'pipe', 'pipe'] })
    closeSync(stdin)
    t.match(ran, { status: 2, stdout: '', stderr: /would overwrite the log it is made from\n$/ })
    t.equal(readFileSync(log, 'utf8'), `${abortLine()}\n`)
  }
  const other = spawnSync(process.execPath, [cli, 'report', '--html', log], { encoding: 'utf8', input: abortLine() })
  t.equal(other.status, 0, 'another file may be replaced')
  t.match(readFileSync(log, 'utf8'), /^<!doctype html>/)
  t.end()
})

t.test('bad usage exits with 2', async t => {
  t.match(spawnSync(process.execPath, [cli, 'report', '--nope'], { encoding: 'utf8' }), { status: 2, stdout: '', stderr: /^[^\n]+\n$/ })
})

t.test('ends quietly when nobody reads on', async t => {
  const lines = Array.from({ length: 3000 }, (_, index) => abortLine({ remoteAddress: `10.0.${index >> 8}.${index & 255}` })).join('\n')
  const child = spawn(process.execPath, [cli, 'report', '--json', '--group-by', 'client'])
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  child.stdin.end(lines)
  await once(child.stdout, 'data')
  child.stdout.destroy()
  const [code, signal] = await once(child, 'close')
  t.equal(stderr, '')
  t.equal(code, 0)
  t.equal(signal, null)
})

t.test('a disk that is full is one line on standard error, and 2', { skip: !existsSync('/dev/full') && 'there is no /dev/full on this machine' }, t => {
  const full = openSync('/dev/full', 'w')
  for (const args of [['report'], ['report', '--json'], ['--help']]) {
    const { status, stderr } = spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8', input: abortLine(), stdio: ['pipe', full, 'pipe'] })
    t.equal(status, 2)
    t.equal(stderr, 'fastify-read-guard: cannot write standard output: no space left on device\n')
  }
  const unheard = spawnSync(process.execPath, [cli, 'reprot'], { stdio: ['ignore', full, full] })
  t.equal(unheard.status, 2)
  closeSync(full)
  t.end()
})

t.test('progress is shown on a terminal once it has taken a second, and wiped', t => {
  let now = 0
  let written = ''
  const output = { isTTY: true, write: (text: string) => { written += text } }
  const progress = new Progress(output, 4_000_000, () => now)
  progress.advance(1_000_000)
  t.equal(written, '')
  now = 1000
  progress.advance(1_000_000)
  t.equal(written, '\r\u001b[Kread 2 MB of 4 MB (50.0%)')
  now = 1100
  progress.advance(1_000_000)
  progress.end()
  t.equal(written, '\r\u001b[Kread 2 MB of 4 MB (50.0%)\r\u001b[K')
  t.end()
})

/** Back to the start of the line, and nothing behind it. */
const wipe = '\r\u001b[K'

t.test('on a terminal the command shows how far it is in its files, and the report then stands alone', async t => {
  const files = ['a.log', 'b.log'].map(name => join(directory, name))
  for (const file of files) writeFileSync(file, logOf(variedRecords(2000)))
  let now = noon
  const slow = () => { now += 400; return now }
  const { status, stdout, stderr } = await run(['report', ...files], { terminal: 80, now: slow })
  t.equal(status, 0)
  const shown = stderr.split(wipe)
  t.equal(shown.at(0), '')
  t.equal(shown.at(-1), '', 'wiped')
  const steps = shown.slice(1, -1)
  t.ok(steps.length >= 2)
  for (const step of steps) t.match(step, /^read [\d.]+ [kM]B of [\d.]+ MB \(\d+(\.\d)?%\)$/)
  t.match(steps.at(-1), '(100%)')
  const shares = steps.map(step => Number(/\(([\d.]+)%/.exec(step)?.[1]))
  t.same(shares, [...shares].sort((a, b) => a - b))
  t.notMatch(stdout, 'read 1')
  const piped = await run(['report'], { stdin: logOf(variedRecords(100)), terminal: 80, now: slow })
  for (const step of piped.stderr.split(wipe)) t.match(step, /^$|^read [\d.]+ kB$/, 'of a pipe nobody knows how long it is')
})

t.test('memory does not grow with the log, in whatever its lines are kept', { timeout: 120_000 }, async t => {
  const kinds = ['bare NDJSON', 'Docker json-file', 'Docker json-file, cut into parts', 'Kubernetes CRI, cut into parts', 'journalctl -o json', 'journalctl -o json-pretty', 'kubectl --prefix', 'Loki, logcli -o jsonl', 'GCP, jsonPayload', 'twice: Docker in CloudWatch']
  const part = Buffer.from(kinds.map((name, index) => String(wrappings[name]?.(logOf(variedRecords(100, index)).trimEnd().split('\n')))).join('\n'))
  const peak = async (size: number) => {
    const child = spawn(process.execPath, ['--import', join(root, 'bench', 'say-peak.js'), cli, 'report', '--json'], { stdio: ['pipe', 'pipe', 'pipe'] })
    const read = Promise.all([text(child.stdout), text(child.stderr)])
    await pipeline(function * () { for (let sent = 0; sent < size; sent += part.length) yield part }, child.stdin)
    const [stdout, stderr] = await read
    t.equal(JSON.parse(stdout).input.records, Math.ceil(size / part.length) * 1000)
    return Number(stderr) / 1e6
  }
  const [short, long] = [await peak(8e6), await peak(80e6)]
  t.ok(long < 150, `${long.toFixed(0)} MB for 80 MB`)
  t.ok(long < short + 30, `${short.toFixed(0)} MB for 8 MB`)
})

t.test('nothing is shown where standard error is no terminal, or reading was quick', async t => {
  t.equal((await run(['report'], { stdin: logOf(variedRecords(100)) })).stderr, '')
  t.equal((await run(['report'], { stdin: logOf(variedRecords(100)), terminal: 80 })).stderr, '')
})
