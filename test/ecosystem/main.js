// The suites of Fastify and its plugins, with nothing, with an empty plugin and with the guard in every application that they make:
// npm run test:ecosystem [-- NAME… --quick --jobs N --folder FOLDER --tap FILE]. What differs has to stand in expected.js.
import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { table } from '../../bench/table.js'
import { judge } from './compare.js'
import { layOut, testFiles } from './layout.js'
import { killAll } from './run-file.js'
import { runSuite } from './run-suite.js'

/** @typedef {import('./suites.js').Suite} Suite */
/** @typedef {import('./compare.js').Expected} Expected */
/** @typedef {import('./run-suite.js').SuiteResult & ReturnType<typeof judge> & { suite: Suite, seconds: number, known: readonly Expected[] }} Judged */
/** @typedef {{ suite: string, name: string, complaints: readonly string[] }} Check */

/** Of one suite; more of them say that the machine is too busy for the comparison to mean anything. */
const MOST_FLAKY = 5

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** The suites that fit ten minutes. */
    quick: { type: 'boolean', default: false },
    /** How many files at a time. */
    jobs: { type: 'string', default: String(availableParallelism()) },
    /** Where the suites are laid out, and left: a second run finds them there. */
    folder: { type: 'string' },
    /** Where to write what came of it in TAP as well. */
    tap: { type: 'string' },
    /** A module in the place of suites.js and expected.js. */
    list: { type: 'string' }
  }
})

/** @type {{ suites: readonly Suite[], unpublished: ReadonlyArray<{ name: string, instead: string }>, expected: readonly Expected[] }} */
const { suites, unpublished, expected } = values.list === undefined
  ? { ...await import('./suites.js'), ...await import('./expected.js') }
  : await import(pathToFileURL(resolve(values.list)).href)

/** @param {{ name: string }} suite */
const isNamed = ({ name }) => positionals.some((positional) => name === positional || name === `@fastify/${positional}`)
const unknown = positionals.filter((positional) => ![...suites, ...unpublished].some(({ name }) => name === positional || name === `@fastify/${positional}`))
if (unknown.length > 0) {
  console.error(`There is no suite ${unknown.join(', ')}: ${[...suites, ...unpublished].map(({ name }) => name).join(', ')}`)
  process.exit(2)
}
const chosen = suites.filter((suite) => positionals.length > 0 ? isNamed(suite) : !values.quick || suite.quick)

const major = process.versions.node.split('.')[0] ?? ''

/**
 * @param {Suite} suite
 * @param {string} folder in which it is laid out
 * @returns {Promise<Judged>}
 */
async function run (suite, folder) {
  const began = performance.now()
  const files = await testFiles(suite, folder)
  const known = expected.filter((entry) => entry.suite === suite.name && (entry.node?.test(major) ?? true))
  const result = await runSuite({ folder, files, jobs: Number(values.jobs), expected: known, env: suite.env })
  const seconds = (performance.now() - began) / 1_000
  console.log(`${suite.name} ${suite.version}: ${files.length} files, ${seconds.toFixed(0)} s`)
  return { ...result, ...judge(result.differences, known), suite, known, seconds }
}

/**
 * What has to hold of a suite: one check for each of its files, and one for the whole.
 *
 * @param {Judged} judged
 * @returns {Check[]}
 */
function checksOf ({ suite, files, tests, fresh, stale, flaky }) {
  const ofFiles = [...new Set([...files, ...stale.map(({ file }) => file)])].map((file) => ({
    suite: suite.name,
    name: file,
    complaints: [
      ...fresh.filter((difference) => difference.file === file).map(({ test, why, byAnyPlugin }) =>
        `NEW: ${test}: ${why}${byAnyPlugin ? ' (with any plugin)' : ''}`),
      ...stale.filter((entry) => entry.file === file).map(({ test, byAnyPlugin = false }) =>
        `no longer: ${test}${byAnyPlugin ? ' (with any plugin)' : ''}`)
    ]
  }))
  const complaints = [
    ...tests < suite.tests ? [`${tests} tests pass without the guard, where at least ${suite.tests} should`] : [],
    ...flaky.length > MOST_FLAKY ? [`${flaky.length} tests are flaky, more than ${MOST_FLAKY}`] : []
  ]
  return [...ofFiles, { suite: suite.name, name: '(the suite)', complaints }]
}

/**
 * One subtest per suite, as `.ci/summary.js` counts them.
 *
 * @param {readonly Check[]} checks
 */
function asTap (checks) {
  const names = [...new Set(checks.map(({ suite }) => suite))]
  const blocks = names.map((name, i) => {
    const own = checks.filter(({ suite }) => suite === name)
    const points = own.map(({ name, complaints }, j) =>
      `    ${complaints.length === 0 ? 'ok' : 'not ok'} ${j + 1} - ${[name, ...complaints].join('; ').replaceAll('#', '\\#').replace(/\s+/g, ' ')}\n`)
    const passes = own.every(({ complaints }) => complaints.length === 0)
    return `# Subtest: ${name}\n${points.join('')}    1..${own.length}\n${passes ? 'ok' : 'not ok'} ${i + 1} - ${name}\n`
  })
  return `TAP version 14\n${blocks.join('')}1..${names.length}\n`
}

const parent = values.folder === undefined ? await mkdtemp(join(tmpdir(), 'ecosystem-')) : resolve(values.folder)
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
  process.once(signal, () => {
    killAll()
    if (values.folder === undefined) rmSync(parent, { recursive: true, force: true })
    process.exit(1)
  })
}

/** @type {Judged[]} */
const all = []
await mkdir(parent, { recursive: true })
try {
  /** First all of them: what can't be fetched is known before the first minutes are spent. @type {Array<[Suite, string]>} */
  const laidOut = []
  for (const suite of chosen) laidOut.push([suite, await layOut(suite, parent)])
  for (const [suite, folder] of laidOut) all.push(await run(suite, folder))
} finally {
  if (values.folder === undefined) await rm(parent, { recursive: true, force: true })
}

console.log(`\nNode ${process.versions.node}\n`)
console.log(table(
  ['suite', 'tests', 'fail without', 'flaky', 'differ with the empty plugin', 'differ with the guard', 'expected', 'NEW', 'no longer', 'seconds'],
  all.map(({ suite, tests, failures, flaky, byEmptyPlugin, differences, known, fresh, stale, seconds }) => [
    `${suite.name} ${suite.version}`, tests, failures.length, flaky.length, byEmptyPlugin.length, differences.length, known.length, fresh.length, stale.length, seconds.toFixed(0)
  ])))
for (const { suite, failures, flaky } of all) {
  for (const failure of failures) console.log(`fails without the guard: ${suite.name} ${failure}`)
  for (const test of flaky) console.log(`flaky: ${suite.name} ${test}`)
}
for (const { name, instead } of unpublished.filter((suite) => positionals.length === 0 || isNamed(suite))) {
  console.log(`not run: ${name} publishes no tests; see ${instead}`)
}

const checks = all.flatMap(checksOf)
for (const { suite, name, complaints } of checks) {
  for (const complaint of complaints) console.log(`not ok ${suite} ${name}: ${complaint}`)
}
const failed = checks.filter(({ complaints }) => complaints.length > 0).length
if (values.tap !== undefined) await writeFile(values.tap, asTap(checks))
console.log(`\n${checks.length - failed} passed, ${failed} failed`)
if (failed > 0 || checks.length === 0) process.exitCode = 1
