import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { root } from '../support/app/packed.js'

/** Clients that do not wait are measured one by one, and what they could read is chance with some servers; `bench/peers` has them all the same. */
const PARTS = 'waits'
/** Machines differ, and so does the beat of the others' timers, in seconds. */
const TOLERANCE = 1.5

type Cells = ReadonlyMap<string, string>

/** The cells of the first table under "Measured here", by server and client. */
function documented (): Map<string, Cells> {
  const [, section = ''] = readFileSync(join(root, 'docs/comparison.md'), 'utf8').split('## Measured here\n')
  const [table = ''] = section.split('\n\n').filter((part) => part.startsWith('|'))
  const [[, ...names] = [], , ...rows] = table.split('\n').map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()))
  return new Map(names.map((name, column) => [name, new Map(rows.map(([client = '', ...cells]) => [client, cells[column] ?? '']))]))
}

/** How it ended, after how many seconds, and what the log said. */
function partsOf (cell: string): readonly [end: string, seconds: number | undefined, log: string] {
  const [, end = '', seconds, log = ''] = /^(?:(\w+)(?:, ([\d.]+) s)?; )?(no line|`.*`)$/.exec(cell) ?? []
  return [end, seconds === undefined ? undefined : Number(seconds), log]
}

t.test('nginx, HAProxy, Apache and the guard do with slow clients what docs/comparison.md says', { timeout: 110_000, skip: process.platform !== 'linux' && 'it needs Linux' }, async (t) => {
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'bench/peers/main.js'), '--only', PARTS, '--json'])
  const measured = JSON.parse(stdout) as Record<string, Record<string, string>>
  const table = documented()
  t.ok(measured['Fastify with the guard'] !== undefined)
  for (const [server, cells] of Object.entries(measured)) {
    for (const [client, cell] of Object.entries(cells)) {
      const told = table.get(server)?.get(client) ?? 'no cell'
      const [[end, seconds, log], [toldEnd, toldSeconds, toldLog]] = [partsOf(cell), partsOf(told)]
      t.strictSame([end, log], [toldEnd, toldLog], `${server}, ${client}: ${told}`)
      if (toldSeconds !== undefined) t.ok(seconds !== undefined && Math.abs(seconds - toldSeconds) < TOLERANCE, `${server}, ${client}: ${told}, here ${seconds} s`)
    }
  }
})
