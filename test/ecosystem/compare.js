// Which tests come out otherwise with a plugin than without, and which of that is expected. Pure.

/** @typedef {import('./run-file.js').Outcomes} Outcomes */
/** @typedef {import('./preload.js').Variant} Variant */
/** @typedef {import('./outcome-reporter.js').Outcome | 'absent'} Seen */

/**
 * What the three runs of a file said; the first runs beside others, those after it alone.
 * @typedef {Readonly<Record<Variant, readonly Outcomes[]>>} Runs
 */

/**
 * A test that comes out otherwise with the guard than without. Where the empty plugin makes that difference as well, it is the presence
 * of a plugin that the test sees.
 *
 * @typedef {object} Difference
 * @property {string} file
 * @property {string} test
 * @property {boolean} byAnyPlugin
 * @property {string} why what the test said
 */

/**
 * @typedef {object} Expected
 * @property {string} suite
 * @property {string} file
 * @property {string} test
 * @property {boolean} [byAnyPlugin]
 * @property {RegExp} [node] the major versions on which it happens, where it does not on all
 * @property {string} reason
 */

/** @type {readonly Variant[]} */
export const variants = ['control', 'empty', 'guard']

/**
 * @param {Outcomes | undefined} outcomes
 * @param {string} test
 * @returns {Seen}
 */
function seen (outcomes, test) {
  return outcomes?.get(test)?.outcome ?? 'absent'
}

/** @param {Runs} runs */
function testsOf (runs) {
  return [...new Set(Object.values(runs).flatMap((ofVariant) => ofVariant.flatMap((outcomes) => [...outcomes.keys()])))]
}

/**
 * Whether the last runs of a variant say something of a test that no control run has said. Its first run says nothing where there are
 * later ones, which had the machine to themselves.
 *
 * @param {Runs} runs
 * @param {Variant} variant
 * @param {string} test
 */
function differs (runs, variant, test) {
  const usual = new Set(runs.control.map((outcomes) => seen(outcomes, test)))
  const [first, ...later] = runs[variant]
  return (later.length > 0 ? later : [first]).some((outcomes) => !usual.has(seen(outcomes, test)))
}

/**
 * @param {string} file
 * @param {Runs} runs of this file
 * @returns {{ differences: Difference[], byEmptyPlugin: string[], flaky: string[] }} `byEmptyPlugin` are the tests that come out
 *   otherwise with the empty plugin; `flaky` those that came out otherwise at first, and not when their file was run alone
 */
export function compareFile (file, runs) {
  const tests = testsOf(runs)
  const byGuard = tests.filter((test) => differs(runs, 'guard', test))
  const byEmptyPlugin = tests.filter((test) => differs(runs, 'empty', test))
  const differences = byGuard.map((test) => ({
    file,
    test,
    byAnyPlugin: byEmptyPlugin.includes(test),
    why: runs.guard.flatMap((outcomes) => outcomes.get(test)?.why ?? []).at(-1) ?? seen(runs.guard.at(-1), test)
  }))
  const first = variants.map((variant) => runs[variant][0])
  const flaky = tests.filter((test) => !byGuard.includes(test) && !byEmptyPlugin.includes(test) && new Set(first.map((outcomes) => seen(outcomes, test))).size > 1)
  return { differences, byEmptyPlugin, flaky }
}

/**
 * @param {Pick<Expected, 'file' | 'test' | 'byAnyPlugin'>} a
 * @param {Pick<Expected, 'file' | 'test' | 'byAnyPlugin'>} b
 */
function isSame (a, b) {
  return a.file === b.file && a.test === b.test && (a.byAnyPlugin ?? false) === (b.byAnyPlugin ?? false)
}

/**
 * @param {readonly Difference[]} differences
 * @param {readonly Expected[]} expected in the same files, on this Node
 * @returns {{ fresh: Difference[], stale: Expected[] }} what is not expected, and what is expected and does not happen
 */
export function judge (differences, expected) {
  return {
    fresh: differences.filter((difference) => !expected.some((known) => isSame(known, difference))),
    stale: expected.filter((known) => !differences.some((difference) => isSame(known, difference)))
  }
}
