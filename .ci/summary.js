// What TAP files say, as `node .ci/summary.js RUN.tap …`: every test file with its counts, every failure, and the sum of all.
// Of files that were run once more, in `RUN.tap.again`, the second run counts.
import { existsSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { Parser } from 'tap-parser'

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

const SEPARATOR = ' > '

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

/** @param {string} path */
function resultsIn (path) {
  const again = `${path}.again`
  return new Map([...byFile(assertionsIn(path)), ...existsSync(again) ? byFile(assertionsIn(again)) : []])
}

/** @type {Counts} */
const all = { passed: 0, failed: 0, skipped: 0 }

for (const path of process.argv.slice(2)) {
  console.log(`\n== ${basename(path, '.tap')}`)
  for (const [file, assertions] of resultsIn(path)) {
    /** @type {Counts} */
    const counts = { passed: 0, failed: 0, skipped: 0 }
    for (const assertion of assertions) {
      count(counts, assertion)
      count(all, assertion)
      if (!assertion.ok && !assertion.todo) console.log(`not ok ${assertion.fullname}\n${JSON.stringify(assertion.diag, null, 2)}`)
    }
    console.log(`${counts.failed === 0 ? 'ok    ' : 'not ok'} ${file.padEnd(40)} ${shown(counts)}`)
  }
}

if (all.skipped > 0) console.log(`\n${all.skipped} skipped`)
console.log(`\n${all.passed} passed, ${all.failed} failed`)
if (all.failed > 0 || all.passed === 0) process.exitCode = 1
