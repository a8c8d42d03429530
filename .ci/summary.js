// What TAP files say, as `node .ci/summary.js RUN.tap …`: every test file with its counts, every failure, and the sum of all.
// Of files that were run once more, in `RUN.tap.again`, the second run counts. Those that passed then are flaky: they are
// named, and too many of them are a failure as well.
import { existsSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { Parser } from 'tap-parser'

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

const SEPARATOR = ' > '
/** Over all runs; each is a test that says nothing on a busy machine. */
const MOST_FLAKY = 3

/**
 * @param {Counts} counts
 * @param {import('tap-parser').Result} assertion
 */
function count (counts, { ok, skip, todo }) {
  if (skip || todo) counts.skipped++
  else if (ok) counts.passed++
  else counts.failed++
}

/** @param {Counts} counts */
function shown ({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`
}

/** @param {string} path */
function assertionsIn (path) {
  const events = Parser.parse(readFileSync(path, 'utf8'), { flat: true })
  return events.flatMap(([type, assertion]) => type === 'assert' ? [assertion] : [])
}

/**
 * @param {import('tap-parser').Result[]} assertions
 * @returns {Map<string, import('tap-parser').Result[]>}
 */
function byFile (assertions) {
  const files = new Map()
  for (const assertion of assertions) {
    const [file = ''] = assertion.fullname.split(SEPARATOR)
    const ofFile = files.get(file)
    if (ofFile === undefined) files.set(file, [assertion])
    else ofFile.push(assertion)
  }
  return files
}

/** @param {import('tap-parser').Result} assertion */
function isFailure ({ ok, todo }) {
  return !ok && !todo
}

/** @param {string} path */
function resultsIn (path) {
  const again = `${path}.again`
  const first = byFile(assertionsIn(path))
  /** @type {ReturnType<typeof byFile>} */
  const second = existsSync(again) ? byFile(assertionsIn(again)) : new Map()
  const flaky = [...second].filter(([file, assertions]) => first.get(file)?.some(isFailure) && !assertions.some(isFailure)).map(([file]) => file)
  return { results: new Map([...first, ...second]), flaky }
}

/** @type {Counts} */
const all = { passed: 0, failed: 0, skipped: 0 }
/** @type {string[]} */
const allFlaky = []

for (const path of process.argv.slice(2)) {
  const run = basename(path, '.tap')
  const { results, flaky } = resultsIn(path)
  allFlaky.push(...flaky.map((file) => `${file} (${run})`))
  console.log(`\n== ${run}`)
  for (const [file, assertions] of results) {
    /** @type {Counts} */
    const counts = { passed: 0, failed: 0, skipped: 0 }
    for (const assertion of assertions) {
      count(counts, assertion)
      count(all, assertion)
      if (isFailure(assertion)) console.log(`not ok ${assertion.fullname}\n${JSON.stringify(assertion.diag, null, 2)}`)
    }
    console.log(`${counts.failed === 0 ? 'ok    ' : 'not ok'} ${file.padEnd(40)} ${shown(counts)}`)
  }
}

const tooFlaky = allFlaky.length > MOST_FLAKY
if (all.skipped > 0) console.log(`\n${all.skipped} skipped`)
if (allFlaky.length > 0) console.log(`\nflaky: ${allFlaky.length}: ${allFlaky.join(', ')}`)
if (tooFlaky) console.log(`FAILED: more than ${MOST_FLAKY} are flaky`)
console.log(`\n${all.passed} passed, ${all.failed} failed`)
if (all.failed > 0 || all.passed === 0 || tooFlaky) process.exitCode = 1
