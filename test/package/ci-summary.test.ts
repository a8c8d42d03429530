import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { root } from '../support/app/packed.js'

/** A test file with its assertions, as the test runner writes it; a directive may follow their names. */
function file (name: string, ...assertions: ReadonlyArray<readonly [ok: boolean, name: string]>): string {
  const lines = assertions.map(([ok, name], i) => `    ${ok ? 'ok' : 'not ok'} ${i + 1} - ${name}\n`)
  const passes = assertions.every(([ok, name]) => ok || name.includes('# TODO'))
  return `# Subtest: test/${name}.test.ts\n${lines.join('')}    1..${lines.length}\n${passes ? 'ok' : 'not ok'} 1 - test/${name}.test.ts\n`
}

const tap = (...files: readonly string[]): string => `TAP version 14\n${files.join('')}1..${files.length}\n`

interface Summary {
  readonly status: number | null
  /** The lines, without those that are empty. */
  readonly lines: readonly string[]
}

/** @param files what the folder of results has in it; those of the first runs are summed up */
function summaryOf (t: Test, files: Readonly<Record<string, string>>): Summary {
  const folder = t.testdir(files)
  const runs = Object.keys(files).filter((name) => name.endsWith('.tap')).map((name) => join(folder, name))
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, '.ci', 'summary.js'), ...runs], { encoding: 'utf8' })
  t.equal(stderr, '')
  return { status, lines: stdout.split('\n').filter((line) => line !== '') }
}

const passing = file('passing', [true, 'first'], [true, 'second'])
const failing = file('failing', [true, 'first'], [false, 'second'])
const mended = file('failing', [true, 'first'], [true, 'second'])

t.test('what passes is counted by file, and all in the last line', async (t) => {
  const { status, lines } = summaryOf(t, { 'node-20.tap': tap(passing), 'node-22.tap': tap(passing, file('other', [true, 'only'])) })
  t.equal(status, 0)
  t.match(lines, [/^== node-20$/, /^ok {5}test\/passing\.test\.ts +2 passed, 0 failed$/, /^== node-22$/, /passing/, /^ok {5}test\/other\.test\.ts +1 passed, 0 failed$/, /^5 passed, 0 failed$/])
  t.equal(lines.length, 6)
})

t.test('what fails is named, and the run fails', async (t) => {
  const { status, lines } = summaryOf(t, { 'node-20.tap': tap(passing, failing) })
  t.equal(status, 1)
  t.ok(lines.includes('not ok test/failing.test.ts > second'))
  t.match(lines.find((line) => line.startsWith('not ok test/failing.test.ts  ')), /1 passed, 1 failed$/)
  t.equal(lines.at(-1), '3 passed, 1 failed')
})

t.test('what is skipped or to be done is no failure, and is counted apart', async (t) => {
  const { status, lines } = summaryOf(t, { 'node-20.tap': tap(file('partial', [true, 'there'], [true, 'absent # SKIP not installed'], [false, 'planned # TODO'])) })
  t.equal(status, 0)
  t.same(lines.slice(-2), ['2 skipped', '1 passed, 0 failed'])
})

t.test('nothing that passes is a failure', async (t) => {
  t.match(summaryOf(t, { 'node-20.tap': tap() }), { status: 1 })
})

t.test('of a file that was run once more the second run counts, and it is named as flaky', async (t) => {
  const { status, lines } = summaryOf(t, { 'node-20.tap': tap(passing, failing), 'node-20.tap.again': tap(mended), 'node-22.tap': tap(passing) })
  t.equal(status, 0)
  t.same(lines.slice(-2), ['flaky: 1: test/failing.test.ts (node-20)', '6 passed, 0 failed'])
})

t.test('a file that fails again is a failure, and not flaky', async (t) => {
  const { status, lines } = summaryOf(t, { 'node-20.tap': tap(passing, failing), 'node-20.tap.again': tap(failing) })
  t.equal(status, 1)
  t.same(lines.filter((line) => line.startsWith('flaky')), [])
  t.equal(lines.at(-1), '3 passed, 1 failed')
})

t.test('three flaky files over all versions are put up with, a fourth fails the run', async (t) => {
  const versions = ['20', '22', '24', '26']
  const runs = (count: number): Record<string, string> => Object.fromEntries(versions.flatMap((version, i) => i < count
    ? [[`node-${version}.tap`, tap(failing)], [`node-${version}.tap.again`, tap(mended)]]
    : [[`node-${version}.tap`, tap(mended)]]))
  t.test('three', async (t) => {
    const { status, lines } = summaryOf(t, runs(3))
    t.equal(status, 0)
    t.match(lines.at(-2), /^flaky: 3: /)
    t.equal(lines.at(-1), '8 passed, 0 failed')
  })
  t.test('four', async (t) => {
    const { status, lines } = summaryOf(t, runs(4))
    t.equal(status, 1)
    t.match(lines.at(-3), /^flaky: 4: test\/failing\.test\.ts \(node-20\), .* \(node-26\)$/)
    t.equal(lines.at(-2), 'FAILED: more than 3 are flaky')
    t.equal(lines.at(-1), '8 passed, 0 failed')
  })
})
