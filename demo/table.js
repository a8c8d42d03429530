import { styleText } from 'node:util'
import { clients } from './clients.js'

/** @typedef {import('./caller.js').Outcome} Outcome */

const WIDTH = 80

const coloured = process.stdout.isTTY && !process.env.NO_COLOR

/**
 * @param {'bold' | 'dim' | 'green' | 'red' | 'yellow'} style
 * @param {string} text
 */
function paint (style, text) {
  return coloured ? styleText(style, text) : text
}

/** @param {number} ms */
function seconds (ms) {
  return `${(ms / 1_000).toFixed(2)} s`
}

/** @param {Outcome} outcome */
function answer ({ status, code, held, cut, left }) {
  const words = [status, code?.replace(/^FST_(READ_|ERR_)?/, '')].filter((word) => word !== undefined)
  if (held) words.push('held')
  else if (cut) words.push('cut')
  else if (status === undefined) words.push(left ? 'hung up' : 'closed')
  return words.join(' ')
}

/**
 * @param {Outcome} outcome
 * @param {number} width
 */
function cell (outcome, width) {
  const time = seconds(outcome.after)
  const text = answer(outcome).padEnd(width - time.length) + time
  return outcome.held ? paint('red', text) : text
}

/**
 * What each client got, and after how long.
 *
 * @param {readonly Outcome[]} stock
 * @param {readonly Outcome[]} guarded
 */
export function outcomeTable (stock, guarded) {
  const lines = [paint('bold', `${'client'.padEnd(32)}${'stock Fastify'.padEnd(19)}with the guard`), '─'.repeat(WIDTH)]
  clients.forEach(({ name, innocent }, i) => {
    const [before, after] = [stock[i], guarded[i]]
    if (before === undefined || after === undefined) return
    const mark = innocent ? paint('green', '·') : paint('yellow', '!')
    lines.push(`${mark} ${name.padEnd(30)}${cell(before, 17)}  ${cell(after, 29)}`)
  })
  return [...lines, '─'.repeat(WIDTH), paint('dim', '· innocent   ! hostile   held: still open at the end   cut: not all of it')].join('\n')
}

/**
 * The records of the log, a line each.
 *
 * @param {ReadonlyArray<{ level: number, abort: import('fastify-read-guard').AbortRecord }>} lines
 */
export function recordTable (lines) {
  const rows = lines.map(({ level, abort }) => {
    const { reason, route, received, expected, elapsed } = abort
    const bytes = expected === undefined ? String(received) : `${received} of ${expected}`
    return `${level >= 40 ? paint('yellow', 'warn ') : level >= 30 ? 'info ' : paint('dim', 'debug')}  ` +
      `${reason.padEnd(23)}${(route ?? '–').padEnd(12)}${bytes.padStart(16)}${seconds(elapsed).padStart(10)}`
  })
  return [paint('bold', `level  ${'reason'.padEnd(23)}${'route'.padEnd(12)}${'bytes'.padStart(16)}${'elapsed'.padStart(10)}`), '─'.repeat(WIDTH), ...rows].join('\n')
}

/**
 * A line of the log as it was written, broken where it would run off the screen.
 *
 * @param {object} line
 */
export function logLine (line) {
  let column = 0
  return JSON.stringify(line).split(/(?<=[,{])(?=")/).map((piece) => {
    const fits = column + piece.length <= WIDTH
    column = fits ? column + piece.length : piece.length + 2
    return fits ? piece : `\n  ${piece}`
  }).join('')
}
