import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { reconcile } from '../../bench/soak/reconcile.js'
import { slope } from '../../bench/stats.js'
import { root } from '../support/app/packed.js'

// Each has processes of its own, which wait for most of the time.
t.jobs = 3

type Account = Parameters<typeof reconcile>[0][number]
type Told = Parameters<typeof reconcile>[1][number]

const begun = Date.parse('2026-01-01T00:00:00.000Z')
const client: Account = { id: 'c1-', protocol: 'http', name: 'a body that stalls', code: 'FST_READ_BODY_IDLE_TIMEOUT', port: 50_000, begun, ended: begun + 1_000, error: undefined }
const record: Told = { code: 'FST_READ_BODY_IDLE_TIMEOUT', phase: 'body', url: '/read/c1-', remotePort: 50_000, time: '2026-01-01T00:00:01.000Z', answered: true, protocol: 'http' }
const inHead: Told = { ...record, code: 'FST_READ_HEADERS_TIMEOUT', phase: 'headers', url: undefined }

t.test('the accounts of the clients and the records are laid side by side, one to one', async (t) => {
  const head: Account = { ...client, code: 'FST_READ_HEADERS_TIMEOUT' }
  const good: Account = { ...client, code: undefined }
  const rows: ReadonlyArray<readonly [claim: string, accounts: Account[], records: Told[], differences: number]> = [
    ['a record by its URL', [client], [record], 0],
    ['a record by its port', [head], [inHead], 0],
    ['a port that another client had before', [{ ...head, id: 'c0-', begun: begun - 10_000, ended: begun - 9_000, code: undefined }, head], [inHead], 0],
    ['a good client without a record', [good], [], 0],
    ['a record that is missing', [client], [], 1],
    ['two records of one client', [client], [record, record], 1],
    ['a record of a good client', [good], [record], 1],
    ['a record that does not know its port', [{ ...head, code: 'FST_READ_ABORTED' }], [{ ...inHead, code: 'FST_READ_ABORTED', remotePort: undefined }], 0],
    ['a record that does not know its port, of a client that has one', [head], [inHead, { ...inHead, remotePort: undefined }], 1],
    ['another code', [client], [{ ...record, code: 'FST_READ_BODY_TIMEOUT' }], 1],
    ['a record of nobody', [], [record], 1],
    ['the port of another protocol', [{ ...head, protocol: 'h2' }], [inHead], 2],
    ['a record long after its client', [head], [{ ...inHead, time: '2026-01-01T00:01:00.000Z' }], 2],
    ['a client that was not served as it should', [{ ...client, error: '200 in the place of 408' }], [record], 1]
  ]
  for (const [claim, accounts, records, count] of rows) t.equal(reconcile(accounts, records).differences.length, count, claim)
  t.same(reconcile([client], [], [[begun + 900, begun + 1_500]]), { differences: [], disturbed: 1 }, 'a client says nothing where a process could not run meanwhile')
  t.equal(reconcile([client], [], [[begun + 1_001, begun + 1_500]]).differences.length, 1, 'afterwards makes no difference')
})

t.test('a slope is not moved by points that lie far off', async (t) => {
  const points = Array.from({ length: 20 }, (_, x) => [x, 3 * x + 7] as const)
  t.equal(slope(points), 3)
  t.equal(slope(points.map(([x, y]) => [x, x % 5 === 0 ? 1e9 : y] as const)), 3)
  t.equal(slope([[0, 5], [1, 5], [2, 5]]), 0)
})

const RUN = ['--minutes', '0.3', '--warming', '0', '--seed', '1']

for (const [leak, found] of [['requests', 'the heap grows'], ['listeners', 'listeners stay the same'], ['files', 'open files stay the same']] as const) {
  t.test(`a soak finds ${leak} that are kept`, { timeout: 110_000 }, async (t) => {
    const run = promisify(execFile)(process.execPath, [join(root, 'bench/soak/main.js'), ...RUN, '--leak', leak])
    const { code, stdout } = await run.then(() => ({ code: 0, stdout: '' }), (error: { code: number, stdout: string }) => error)
    t.equal(code, 1)
    t.match(stdout, new RegExp(`^not ok ${found}`, 'm'))
    t.match(stdout, /\n\d+ passed, [1-9]\d* failed\n$/)
    t.match(stdout, /^ok {5}\d+ clients and \d+ records agree, one by one$/m, 'and the records are those of the clients')
    if (leak === 'requests') t.ok(Number(/grows by (\d+) bytes/.exec(stdout)?.[1]) > 5_000, 'the objects of one request take several thousand bytes')
  })
}
