import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { root } from '../support/app/packed.js'

const cli = join(root, 'dist', 'report', 'cli.js')

function bench (reportCli: string, ...more: string[]) {
  return spawnSync(process.execPath, [join(root, 'bench', 'report.js'), '2000', ...more], { encoding: 'utf8', env: { ...process.env, REPORT_CLI: reportCli } })
}

t.test('the bench measures every kind of report, and checks the sums', { timeout: 60_000 }, async t => {
  const { status, stdout, stderr } = bench(cli)
  t.equal(stderr, '')
  t.equal(status, 0)
  t.equal(stdout.match(/^\| .* \| +\d+\.\d\d s \| +\d+ MB \|$/gm)?.length, 6)
  t.match(stdout, /^The sums of every route and reason are those of jq\.$|^jq is not installed/m)
})

t.test('the bench fails where a sum is wrong, or the memory too much', { timeout: 60_000 }, async t => {
  const directory = t.testdir()
  const wasteful = join(directory, 'wasteful.mjs')
  writeFileSync(wasteful, `globalThis.waste = Buffer.alloc(160_000_000, 1)\nawait import(${JSON.stringify(pathToFileURL(cli).href)})\n`)
  const wasting = bench(wasteful, '--brief')
  t.equal(wasting.status, 1)
  t.match(wasting.stdout, ' MB | too much')

  const wrong = join(directory, 'wrong.mjs')
  const lossy = 'const { parse } = JSON; let count = 0; JSON.parse = (text) => text.includes(\'"abort"\') && ++count % 100 === 0 ? {} : parse(text)'
  writeFileSync(wrong, `${lossy}\nawait import(${JSON.stringify(pathToFileURL(cli).href)})\n`)
  const losing = bench(wrong, '--brief')
  t.equal(losing.status, 1)
  t.match(losing.stdout, 'The sums are wrong')
})

t.test('the figures that are told are within the target', async t => {
  const [, section = ''] = /^## Reading a log\n(.*?)^## /ms.exec(readFileSync(join(root, 'bench', 'RESULTS.md'), 'utf8')) ?? []
  const rows = [...section.matchAll(/\| +([\d.]+) s \| +(\d+) MB \|/g)]
  t.equal(rows.length, 6)
  for (const [row, seconds, megabytes] of rows) t.ok(Number(seconds) <= 10 && Number(megabytes) <= 150, row)
})
