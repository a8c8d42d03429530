// What a test file says, for `--test-reporter`: one line of JSON per test, with its outcome. A suite of tests is none itself, and a
// test that fails only because of the tests in it has passed: these tell for themselves.

/** @typedef {'passed' | 'failed' | 'skipped' | 'todo'} Outcome */
/** @typedef {{ name: string, outcome: Outcome, why?: string | undefined }} TestLine */

const SEPARATOR = ' > '

/** @typedef {import('node:test').EventData.TestPass} Passed */
/** @typedef {import('node:test').EventData.TestFail} Failed */

/** @param {Failed} failed */
function ownFailure ({ details: { error } }) {
  // Node's types do not have `failureType`, which its documentation does not name either; without it a failure counts twice.
  const { failureType } = /** @type {{ failureType?: string }} */ (error)
  if (failureType === 'subtestsFailed') return undefined
  const { message } = error.cause instanceof Error ? error.cause : error
  return (message || 'no message').split('\n').slice(0, 6).join(' ').slice(0, 300)
}

/**
 * @param {Passed | Failed} data
 * @param {string | undefined} why it failed
 * @returns {Outcome}
 */
function outcomeOf ({ skip, todo }, why) {
  if (skip !== undefined && skip !== false) return 'skipped'
  if (todo !== undefined && todo !== false) return 'todo'
  return why === undefined ? 'passed' : 'failed'
}

/** @param {AsyncIterable<import('node:test/reporters').TestEvent>} events */
export default async function * outcomes (events) {
  /** The tests that the one under report is in. Node reports tests in the order in which they stand, however they ran. @type {string[]} */
  const path = []
  for await (const { type, data } of events) {
    if (type === 'test:start') {
      path.length = data.nesting
      path.push(data.name)
    } else if (type === 'test:pass' || type === 'test:fail') {
      const why = type === 'test:fail' ? ownFailure(data) : undefined
      if (data.details.type === 'suite' && why === undefined) continue
      /** @type {TestLine} */
      const line = { name: [...path.slice(0, data.nesting), data.name].join(SEPARATOR), outcome: outcomeOf(data, why), why }
      yield `${JSON.stringify(line)}\n`
    }
  }
}
