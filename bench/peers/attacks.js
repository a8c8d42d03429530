// slowhttptest against a server, with good clients beside.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { heldBy } from './held-connections.js'
import { WATCHED } from './settings.js'

export const CONNECTIONS = 500
const SECONDS = WATCHED / 1_000
const LOOK = 100
/** Good clients that come in a second, and how long each waits, in milliseconds. */
const GOOD_PER_SECOND = 10
const PATIENCE = 5_000

/** What `slowhttptest` is told for each, beside what all are told. */
const tests = {
  'slowhttptest -H': { args: ['-H', '-i', '1', '-x', '8'], path: '/' },
  'slowhttptest -B': { args: ['-B', '-i', '1', '-s', '8192', '-x', '8', '-f', 'application/octet-stream'], path: '/' },
  'slowhttptest -X': { args: ['-X', '-w', '512', '-y', '1024', '-n', '1', '-z', '32'], path: '/medium' }
}

/** @typedef {keyof typeof tests} Attack */
/** @typedef {{ most: number, closed: number | undefined, left: number, served: number, asked: number }} Attacked */

export const attacks = /** @type {Attack[]} */ (Object.keys(tests))

export const slowhttptest = /version ([\d.]+)/.exec(spawnSync('slowhttptest', ['-h'], { encoding: 'utf8' }).stdout ?? '')?.[1]

/**
 * A good client, with a connection of its own.
 *
 * @param {number} port
 */
async function isServed (port) {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' }, signal: AbortSignal.timeout(PATIENCE) })
    return response.status === 200 && await response.text() === 'fine'
  } catch {
    return false
  }
}

/**
 * @param {import('./servers.js').Running} server
 * @param {Attack} attack
 * @returns {Promise<Attacked>}
 */
async function attacked ({ port }, attack) {
  const { args, path } = tests[attack]
  const attacker = spawn('slowhttptest', [...args, '-c', String(CONNECTIONS), '-r', '250', '-p', '3', '-l', String(SECONDS), '-u', `http://127.0.0.1:${port}${path}`], { stdio: 'ignore' })
  const exited = once(attacker, 'exit')
  /** @type {Promise<boolean>[]} */
  const good = []
  const timer = setInterval(() => good.push(isServed(port)), 1_000 / GOOD_PER_SECOND)
  const began = performance.now()
  let [most, left] = [0, 0]
  /** @type {number | undefined} */
  let closed
  while (performance.now() - began < WATCHED && closed === undefined) {
    await delay(LOOK)
    left = heldBy(port)
    most = Math.max(most, left)
    // A few are those of the good clients.
    if (most > CONNECTIONS / 10 && left <= GOOD_PER_SECOND / 2 && performance.now() - began > 3_000) closed = (performance.now() - began) / 1_000
  }
  clearInterval(timer)
  const served = (await Promise.all(good)).filter(Boolean).length
  if (attacker.exitCode === null) attacker.kill('SIGKILL')
  await exited
  return { most, closed, left, served, asked: good.length }
}

/**
 * What comes of one attack, as a cell of the table.
 *
 * @param {import('./servers.js').Running} server
 * @param {Attack} attack
 */
export async function attackCell (server, attack) {
  const { most, closed, left, served, asked } = await attacked(server, attack)
  const end = closed === undefined ? `${left} of ${most} open` : `all ${most} closed, ${closed.toFixed(1)} s`
  return `${end}; ${served === asked ? 'all' : `${served} of ${asked}`} served`
}
