import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { root } from '../support/app/packed.js'

/** The cells of the tables that a part of the bench prints, row by row. */
async function measure (...part: readonly string[]): Promise<string[][]> {
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'bench', 'main.js'), '--quick', ...part])
  return stdout.split('\n').filter((line) => line.startsWith('|')).map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()))
}

/** About twice what was measured, of a request without a network, in percent: what is above is no accident. */
const timeBudgets: Readonly<Record<string, number>> = {
  GET: 6,
  '1 KB JSON POST': 8,
  'HTTP/2 1 KB JSON POST': 10,
  'inject, 1 KB JSON POST': 7
}

t.test('a request takes no more time than it may', { timeout: 100_000 }, async (t) => {
  const rows = await measure('quick', '--only', 'bare')
  for (const [load, budget] of Object.entries(timeBudgets)) {
    const percent = Number.parseFloat(rows.find(([name]) => name === load)?.[4] ?? '')
    t.ok(percent < budget, `${load}: ${percent} % of ${budget}`)
  }
})

/** Bytes of heap, of a connection in each phase. */
const heapBudgets: Readonly<Record<string, number>> = {
  'idle, after a request': 300,
  'header phase': 400,
  'body under way': 800
}

t.test('a connection takes no more of the heap than it may', { timeout: 100_000 }, async (t) => {
  const rows = await measure('heap')
  for (const [phase, budget] of Object.entries(heapBudgets)) {
    const bytes = Number.parseFloat(rows.find(([name]) => name === phase)?.[2] ?? '')
    t.ok(bytes < budget, `${phase}: ${bytes} bytes of ${budget}`)
  }
})
