import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { installPacked, root } from '../support/app/packed.js'

const run = promisify(execFile)

/** What each client of the demo gets, without and with the guard, and why. */
const expected: ReadonlyArray<readonly [client: string, stock: string, guarded: string, because: string]> = [
  ['posts a note', '200', '200', 'sent in time'],
  ['thinks between two notes', '200', '200', 'a pause is not a read'],
  ['uploads slowly, but moves', '200', '200', 'minBodyRate is kept'],
  ['waits for our slow disk', '200', '200', 'the delay is ours'],
  ['pauses its download', '200', '200', 'shorter than allowed'],
  ['connects and says nothing', 'held', 'closed', 'headersTimeout'],
  ['sends header after header', 'held', '408', 'headersTimeout'],
  ['stops in the middle', 'held', '408', 'bodyIdleTimeout'],
  ['trickles a note', 'held', '408', 'bodyTimeout'],
  ['trickles a video', 'held', '408', 'minBodyRate'],
  ['gets a 404 and keeps sending', '404 held', '404', 'linger'],
  ['sends more than is allowed', '200', '413', 'bodyLimit'],
  ['does not say how much', '200', '411', 'requireContentLength'],
  ['names two hosts', '200', '400', 'strictFraming'],
  ['hangs up in the middle', 'hung up', 'hung up', 'recorded: it left'],
  ['hangs up while we work', 'hung up', 'hung up', 'recorded: it left'],
  ['does not take its download', 'held', '200 cut', 'responseIdleTimeout']
]

/** The rows of the demo's table. */
function rowsIn (lines: readonly string[]): string[][] {
  return lines.flatMap((line) => {
    const [, client, stock, guarded, because] = /^[·!] (.{28}) (.{9}) (.{7}) +[\d.]+ s {3}(.+)$/.exec(line)?.map((cell) => cell.trim()) ?? []
    return client === undefined || stock === undefined || guarded === undefined || because === undefined ? [] : [[client, stock, guarded, because]]
  })
}

t.test('the rows that the README shows are those of the demo', async (t) => {
  const shown = rowsIn(readFileSync(join(root, 'README.md'), 'utf8').split('\n'))
  t.ok(shown.length > 3)
  t.same(shown, expected.filter(([client]) => shown.some(([name]) => name === client)))
})

t.test('the demo of the installed package shows what the guard changes, on 80 columns', { timeout: 60_000 }, async (t) => {
  const { folder, remove } = await installPacked()
  t.teardown(remove)
  // It exits with 1 when an innocent client was turned away, or a hostile one still holds its connection.
  const { stdout } = await run(process.execPath, [join(folder, 'node_modules/fastify-read-guard/dist/report/cli.js'), 'demo'], { cwd: folder })
  const lines = stdout.split('\n')
  t.same(lines.filter((line) => line.length > 80), [])
  for (const limit of ['headersTimeout 2 s', 'bodyIdleTimeout 1 s', 'bodyLimit 256 bytes', 'minBodyRate 500 bytes/s after 1.5 s']) t.match(stdout, limit)
  t.same(rowsIn(lines), expected)
  t.match(stdout, /"code":"FST_READ_BODY_IDLE_TIMEOUT"/)
  const [, report = ''] = stdout.split('`npx fastify-read-guard report app.log`')
  t.match(report, /^11 reads failed/m)
  t.same([...report.matchAll(/^ {2}([a-z_]+) +\d/gm)].map(([, reason]) => reason).sort(), [
    'body_idle_timeout', 'body_timeout', 'body_too_large', 'body_too_slow', 'client_aborted',
    'headers_timeout', 'length_required', 'malformed', 'response_aborted', 'response_idle_timeout'
  ])
})

t.test('the demo of a clone is the same, and without Fastify it says what is missing', async (t) => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
  t.equal(scripts['demo'], 'node demo/main.js')
  const { folder, remove } = await installPacked()
  t.teardown(remove)
  await rm(join(folder, 'node_modules/fastify'))
  const failed = await run(process.execPath, [join(folder, 'node_modules/fastify-read-guard/dist/report/cli.js'), 'demo'], { cwd: folder }).catch((error: object) => error)
  t.match(failed, { code: 2, stdout: '', stderr: 'fastify-read-guard: the demo needs Fastify: npm install fastify\n' })
})
