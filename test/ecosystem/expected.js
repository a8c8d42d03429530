// Tests of others that come out otherwise with the guard, each with the rule by which it does. Whatever differs and does not stand here
// fails the run, and so does what stands here and no longer differs.

/** @typedef {import('./compare.js').Expected} Expected */

/**
 * @typedef {object} Group
 * @property {string} reason
 * @property {boolean} [byAnyPlugin] the empty plugin makes the same difference
 * @property {RegExp} [node] the major versions on which it happens, where it does not on all
 * @property {Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>} tests by suite and file
 */

/** @type {readonly Group[]} */
const groups = []

/** @type {readonly Expected[]} */
export const expected = groups.flatMap(({ tests: suites, ...rest }) => Object.entries(suites).flatMap(([suite, files]) =>
  Object.entries(files).flatMap(([file, tests]) => tests.map((test) => ({ suite, file, test, ...rest })))))
