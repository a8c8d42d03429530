import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { root } from '../support/app/packed.js'

t.jobs = 5

/** What each part measures, by how its rows begin. */
const parts: Readonly<Record<string, readonly string[]>> = {
  quick: ['GET', '1 KB JSON POST', '100 KB POST', 'HTTP/2 1 KB JSON POST', 'inject, 1 KB JSON POST'],
  cost: ['GET', '1 KB JSON POST', 'typical, GET', 'typical, 1 KB JSON POST', '100 KB POST, one write', '100 KB POST, 16 chunks', '10 MB upload', '1 KB JSON POST, 1 000 idle connections', 'HTTPS 1 KB JSON POST', 'inject, 1 KB JSON POST'],
  heap: ['header phase', 'idle, after a request', 'body under way'],
  beat: ['20 real, header phase', '20 real, idle', '20 real, body under way', '100 simulated, header phase', '100 simulated, idle', '100 simulated, body under way', '100 simulated, download under way'],
  lateness: ['20 heads, idle', '20 bodies, idle', '20 heads, loaded', '20 bodies, loaded'],
  attack: ['40 slow heads and bodies, without the guard', '40 slow heads and bodies, with the guard']
}

/** The cells of the tables in what was printed, by the first of their row. */
function rowsOf (stdout: string): Map<string, string[]> {
  return new Map(stdout.split('\n').flatMap((line) => {
    const [name, ...cells] = line.split('|').slice(1, -1).map((cell) => cell.trim())
    return name === undefined ? [] : [[name, cells] as const]
  }))
}

for (const [part, names] of Object.entries(parts)) {
  t.test(`the bench still measures: ${part}`, { timeout: 100_000 }, async (t) => {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [join(root, 'bench', 'main.js'), '--tiny', part])
    t.equal(stderr, '')
    const rows = rowsOf(stdout)
    for (const name of names) {
      const cells = rows.get(name)
      t.ok(cells !== undefined && cells.length > 0, `${name} is there`)
      t.notMatch(cells?.join(' '), /NaN|Infinity|undefined/, `${name} is a figure`)
    }
    if (part === 'attack') t.same(names.map((name) => rows.get(name)?.slice(-2)), [['56', '0'], ['16', '0']], 'only the guard gets rid of the attackers, and the good client is served by both')
  })
}

t.test('a part that there is not is refused', async (t) => {
  const refused: unknown = await promisify(execFile)(process.execPath, [join(root, 'bench', 'main.js'), 'cots']).catch((error: unknown) => error)
  t.match(refused, { code: 2, stderr: /There is no part cots: quick, cost, heap, beat, lateness, attack/ })
})

t.test('slow readers are left out where there is no program that makes them', async (t) => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [join(root, 'bench', 'slow-readers.js')], { env: { PATH: root } })
  t.equal(stderr, '')
  t.equal(stdout, 'Skipped: it needs Linux, slowhttptest, nginx\n')
})
