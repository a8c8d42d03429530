import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { root } from '../support/app/packed.js'

/** What each client of the demo is told, without and with the guard. */
const expected: ReadonlyArray<readonly [client: string, stock: string, guarded: string]> = [
  ['posts a note', '200', '200'],
  ['thinks between two notes', '200', '200'],
  ['uploads slowly, but moves', '200', '200'],
  ['waits for our slow disk', '200', '200'],
  ['pauses its download', '200', '200'],
  ['connects and says nothing', 'held', 'closed'],
  ['sends header after header', 'held', '408 HEADERS_TIMEOUT'],
  ['stops in the middle', 'held', '408 BODY_IDLE_TIMEOUT'],
  ['trickles a note', 'held', '408 BODY_TIMEOUT'],
  ['trickles a video', 'held', '408 BODY_TOO_SLOW'],
  ['gets a 404 and keeps sending', '404 held', '404'],
  ['sends more than is allowed', '200', '413 BODY_TOO_LARGE'],
  ['does not say how much', '200', '411 LENGTH_REQUIRED'],
  ['names two hosts', '200', '400 MALFORMED'],
  ['hangs up in the middle', 'hung up', 'hung up'],
  ['hangs up while we work', 'hung up', 'hung up'],
  ['does not take its download', 'held', '200 cut']
]

t.test('the demo shows what the guard changes, on 80 columns', { timeout: 60_000 }, async (t) => {
  // It exits with 1 when an innocent client was turned away, or a hostile one still holds its connection.
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'demo', 'main.js')])
  const lines = stdout.split('\n')
  t.same(lines.filter((line) => line.length > 80), [])
  const rows = lines.flatMap((line) => {
    const [, client, stock, guarded] = /^[·!] (.+?) {2,}(\S.*?) +[\d.]+ s {2}(\S.*?) +[\d.]+ s$/.exec(line) ?? []
    return client === undefined ? [] : [[client, stock, guarded]]
  })
  t.same(rows, expected)
  const reasons = lines.flatMap((line) => /^(?:warn|info|debug) +(\w+)/.exec(line)?.[1] ?? []).sort()
  t.same(reasons, [
    'body_idle_timeout', 'body_timeout', 'body_too_large', 'body_too_slow', 'client_aborted',
    'headers_timeout', 'headers_timeout', 'length_required', 'malformed', 'response_aborted', 'response_idle_timeout'
  ])
  t.match(stdout, /"code":"FST_READ_BODY_IDLE_TIMEOUT"/)
})
