import { compareFile, judge, variants } from './compare.js'
import { runFile, WHOLE_FILE } from './run-file.js'

/** @typedef {import('./compare.js').Difference} Difference */
/** @typedef {import('./compare.js').Expected} Expected */
/** @typedef {import('./preload.js').Variant} Variant */
/** @typedef {import('./run-file.js').Outcomes} Outcomes */

/**
 * @typedef {object} SuiteResult
 * @property {string[]} files
 * @property {number} tests that pass without a plugin
 * @property {string[]} failures without a plugin
 * @property {string[]} byEmptyPlugin tests that come out otherwise with the empty plugin
 * @property {Difference[]} differences
 * @property {string[]} flaky
 */

/** How often a file is run once more, alone and with each of the three, where it is not as expected. */
const REPEATS = 2

/**
 * Calls `work` for each of the items, so many at a time.
 *
 * @template T
 * @param {readonly T[]} items
 * @param {number} jobs
 * @param {(item: T) => Promise<void>} work
 */
async function forEach (items, jobs, work) {
  const waiting = items.values()
  await Promise.all(Array.from({ length: jobs }, async () => {
    for (const item of waiting) await work(item)
  }))
}

/**
 * Whether what is known already of a file needs no second look.
 *
 * @param {string} file
 * @param {import('./compare.js').Runs} runs
 * @param {readonly Expected[]} expected of its suite
 */
function isAsExpected (file, runs, expected) {
  const { differences, byEmptyPlugin, flaky } = compareFile(file, runs)
  const { fresh, stale } = judge(differences, expected.filter((entry) => entry.file === file))
  const isSeenByGuardToo = byEmptyPlugin.every((test) => differences.some((difference) => difference.test === test))
  return fresh.length === 0 && stale.length === 0 && flaky.length === 0 && isSeenByGuardToo
}

/**
 * Runs every file of a suite with nothing, with the empty plugin and with the guard. One variant after the other: files may want a
 * folder or a port of their own, and must not meet themselves.
 *
 * @param {{ folder: string, files: string[], jobs: number, expected: readonly Expected[], env?: Readonly<Record<string, string>> | undefined }} suite
 * @returns {Promise<SuiteResult>}
 */
export async function runSuite ({ folder, files, jobs, expected, env = {} }) {
  /** @typedef {Record<Variant, Outcomes[]>} Runs */
  const runs = new Map(files.map((file) => [file, /** @type {Runs} */ ({ control: [], empty: [], guard: [] })]))
  for (const variant of variants) {
    await forEach([...runs], jobs, async ([file, ofFile]) => { ofFile[variant].push(await runFile({ folder, file, variant, env })) })
  }
  for (const [file, ofFile] of runs) {
    if (isAsExpected(file, ofFile, expected)) continue
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      for (const variant of variants) ofFile[variant].push(await runFile({ folder, file, variant, env }))
    }
  }
  /** @type {SuiteResult} */
  const result = { files, tests: 0, failures: [], byEmptyPlugin: [], differences: [], flaky: [] }
  for (const [file, ofFile] of runs) {
    const { differences, byEmptyPlugin, flaky } = compareFile(file, ofFile)
    result.differences.push(...differences)
    result.byEmptyPlugin.push(...byEmptyPlugin.map((test) => `${file} > ${test}`))
    result.flaky.push(...flaky.map((test) => `${file} > ${test}`))
    for (const [test, { outcome }] of ofFile.control[0] ?? []) {
      if (outcome === 'passed' && test !== WHOLE_FILE) result.tests++
      if (outcome === 'failed') result.failures.push(`${file} > ${test}`)
    }
  }
  return result
}
