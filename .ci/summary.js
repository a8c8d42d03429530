// What TAP files say, as `node .ci/summary.js RUN.tap …`: every test file with its counts, every failure, and the sum of all.
import { readFileSync } from 'node:fs'
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

/** @type {Counts} */
const all = { passed: 0, failed: 0, skipped: 0 }

for (const path of process.argv.slice(2)) {
  console.log(`\n== ${basename(path, '.tap')}`)
  /** @type {Map<string, Counts>} */
  const files = new Map()
  for (const assertion of assertionsIn(path)) {
    const [file = ''] = assertion.fullname.split(SEPARATOR)
    const counts = files.get(file) ?? { passed: 0, failed: 0, skipped: 0 }
    files.set(file, counts)
    count(counts, assertion)
    count(all, assertion)
    if (!assertion.ok && !assertion.todo) console.log(`not ok ${assertion.fullname}\n${JSON.stringify(assertion.diag, null, 2)}`)
  }
  for (const [file, counts] of files) console.log(`${counts.failed === 0 ? 'ok    ' : 'not ok'} ${file.padEnd(40)} ${shown(counts)}`)
}

if (all.skipped > 0) console.log(`\n${all.skipped} skipped`)
console.log(`\n${all.passed} passed, ${all.failed} failed`)
if (all.failed > 0 || all.passed === 0) process.exitCode = 1
