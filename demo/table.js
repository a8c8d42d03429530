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
  return `${ms / 1_000} s`
}

/**
 * A limit and its value, as a person would say it.
 *
 * @param {string} name
 * @param {unknown} value
 */
function limitText (name, value) {
  if (value === true) return name
  if (value === 0) return `no ${name}`
  if (typeof value === 'number') return `${name} ${name.endsWith('Limit') ? `${value.toLocaleString('en')} bytes` : seconds(value)}`
  const { bytesPerSecond, gracePeriod } = /** @type {{ bytesPerSecond: number, gracePeriod: number }} */ (value) // the only limit that is an object here
  return `${name} ${bytesPerSecond} bytes/s after ${seconds(gracePeriod)}`
}

/** @param {object} limits */
function limitTexts (limits) {
  return Object.entries(limits).map(([name, value]) => limitText(name, value))
}

/**
 * The limits in force: those of all routes, and what single routes have instead.
 *
 * @param {object} limits
 * @param {Readonly<Record<string, object>>} routeLimits
 */
export function limitLines (limits, routeLimits) {
  const rows = Object.entries({ 'all routes': limits, ...routeLimits }).flatMap(([where, limits]) =>
    limitTexts(limits).map((text, i) => `  ${(i === 0 ? where : '').padEnd(12)}${text}`))
  return rows.join('\n')
}

/** @param {Outcome} outcome */
function answer ({ status, held, cut, left }) {
  const words = status === undefined ? [] : [String(status)]
  if (held) words.push('held')
  else if (cut) words.push('cut')
  else if (status === undefined) words.push(left ? 'hung up' : 'closed')
  return words.join(' ')
}

/**
 * What each client got, after how long, and what decided it.
 *
 * @param {readonly Outcome[]} stock
 * @param {readonly Outcome[]} guarded
 * @param {number} patience after which stock Fastify was not waited for any more, in milliseconds
 */
export function outcomeTable (stock, guarded, patience) {
  const lines = [paint('bold', `${'client'.padEnd(31)}${'stock'.padEnd(10)}${'with the guard'.padEnd(18)}because of`), '─'.repeat(WIDTH)]
  clients.forEach(({ name, innocent, because }, i) => {
    const [before, after] = [stock[i], guarded[i]]
    if (before === undefined || after === undefined) return
    const mark = innocent ? paint('green', '·') : paint('yellow', '!')
    const stockText = answer(before).padEnd(10)
    const guardText = answer(after).padEnd(8) + `${(after.after / 1_000).toFixed(2)} s`.padStart(7)
    lines.push(`${mark} ${name.padEnd(29)}${before.held ? paint('red', stockText) : stockText}${after.held ? paint('red', guardText) : guardText}   ${because}`)
  })
  return [...lines, '─'.repeat(WIDTH), paint('dim', `· innocent  ! hostile  held: still open after ${seconds(patience)}  cut: a part of the response`)].join('\n')
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
