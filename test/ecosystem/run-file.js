import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

/** @typedef {import('./preload.js').Variant} Variant */
/** @typedef {import('./outcome-reporter.js').TestLine} TestLine */

/**
 * What a file said: its tests by their names, in which those that appear more than once are numbered.
 * @typedef {Map<string, Pick<TestLine, 'outcome' | 'why'>>} Outcomes
 */

/** The process of a file, which fails where none of its tests tells why: it crashed, or did not end. */
export const WHOLE_FILE = '(the file)'

const MOST_MILLISECONDS = 180_000

const preload = new URL('preload.js', import.meta.url).href
const reporter = new URL('outcome-reporter.js', import.meta.url).href

/**
 * What of the environment would make tests skip, or the runner say something else, stays behind.
 *
 * @param {Variant} variant
 * @param {Readonly<Record<string, string>>} own
 */
function environment (variant, own) {
  const kept = Object.entries(process.env).filter(([name]) => !/^(?:CI$|CITGM$|NODE_|TAP|npm_|GITHUB_|FORCE_COLOR$)/.test(name))
  return { ...Object.fromEntries(kept), ...own, ECOSYSTEM_VARIANT: variant, NODE_OPTIONS: `--import=${preload}` }
}

/** @param {string} text what the reporter wrote; the last line of a process that was killed may be incomplete */
function linesIn (text) {
  return text.split('\n').slice(0, -1).map((line) => /** @type {TestLine} */ (JSON.parse(line)))
}

/**
 * @param {readonly TestLine[]} lines
 * @param {string} path of the file, under which Node reports it where no test in it has anything to say
 */
function byName (lines, path) {
  /** @type {Outcomes} */
  const outcomes = new Map()
  for (const { name, outcome, why } of lines) {
    const known = name === path ? WHOLE_FILE : name
    let unique = known
    for (let times = 2; outcomes.has(unique); times++) unique = `${known} #${times}`
    outcomes.set(unique, { outcome, why })
  }
  return outcomes
}

/** By the process that leads them; each is one of its own, which no signal to this one reaches. @type {Map<number, () => void>} */
const groups = new Map()

/** Ends what runs at this moment, and whatever it has started. */
export function killAll () {
  for (const kill of groups.values()) kill()
}

/**
 * Runs one test file in a process of its own, and waits until it is gone.
 *
 * @param {{ folder: string, file: string, variant: Variant, env?: Readonly<Record<string, string>> }} run `file` below the folder
 * @returns {Promise<Outcomes>}
 */
export async function runFile ({ folder, file, variant, env = {} }) {
  const path = join(folder, file)
  const child = spawn(process.execPath, ['--test', `--test-reporter=${reporter}`, path],
    { cwd: folder, env: environment(variant, env), stdio: ['ignore', 'pipe', 'ignore'], detached: true })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (/** @type {string} */ text) => { said += text })
  const { pid } = child
  if (pid === undefined) throw new Error(`No process could be started for ${path}`)
  const kill = () => {
    try {
      process.kill(-pid, 'SIGKILL')
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ESRCH') throw error
    }
  }
  groups.set(pid, kill)
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    kill()
  }, MOST_MILLISECONDS)
  await once(child, 'exit')
  clearTimeout(timer)
  kill()
  groups.delete(pid)
  if (!child.stdout.closed) await once(child.stdout, 'close')
  const outcomes = byName(linesIn(said), path)
  if (isLate) outcomes.set(WHOLE_FILE, { outcome: 'failed', why: `still running after ${MOST_MILLISECONDS / 1_000} s` })
  return outcomes
}
