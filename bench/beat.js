import { setTimeout as delay } from 'node:timers/promises'
import { startChild } from './child.js'
import { startServer } from './servers.js'
import { median } from './stats.js'
import { milliseconds, table } from './table.js'

const GET = 'GET / HTTP/1.1\r\nHost: bench\r\n'
const POST = 'POST / HTTP/1.1\r\nHost: bench\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000\r\n\r\nx'

/**
 * @typedef {import('./beat-probe.js').Beats} Beats
 * @param {{ ask: (command: 'beats') => Promise<Beats> }} child
 * @param {number} seconds
 */
async function watch (child, seconds) {
  // The first beats compile what they run, and what was just allocated is still to be collected.
  await delay(seconds * 500)
  await child.ask('beats')
  await delay(seconds * 1_000)
  const { durations, elapsed } = await child.ask('beats')
  const total = durations.reduce((sum, duration) => sum + duration, 0)
  return [durations.length, `${milliseconds(median(durations))} ms`, `${milliseconds(Math.max(...durations))} ms`, `${(total / elapsed * 100).toFixed(2)} %`]
}

/**
 * @param {number} connections
 * @param {number} seconds
 */
async function real (connections, seconds) {
  const server = await startServer([{ probe: true, guard: { headersTimeout: 600_000, bodyIdleTimeout: 600_000 } }])
  const client = await startChild('client-process.js')
  /** @param {string} phase */
  const row = async (phase) => [`${connections} real, ${phase}`, ...await watch(server, seconds)]
  try {
    await client.ask('open', server.portOf(), connections, GET)
    const headers = await row('header phase')
    await client.ask('exchange', '\r\n')
    const idle = await row('idle')
    await client.ask('write', POST)
    return [headers, idle, await row('body under way')]
  } finally {
    await client.stop()
    await server.stop()
  }
}

/**
 * @param {import('./simulated-connections.js').Phase} phase
 * @param {number} count
 * @param {number} seconds
 */
async function simulated (phase, count, seconds) {
  const child = await startChild('simulated-connections.js')
  try {
    await child.ask('simulate', phase, count)
    return [`${count} simulated, ${phase}`, ...await watch(child, seconds)]
  } finally {
    await child.stop()
  }
}

/** @type {readonly import('./simulated-connections.js').Phase[]} */
const phases = ['header phase', 'idle', 'body under way', 'download under way']

/**
 * What the guard's only timer takes, at the default `resolution` of 100 ms.
 *
 * @param {{ connections: number, simulations: readonly number[], seconds: number, times?: number }} size
 */
export async function beat ({ connections, simulations, seconds, times = 1 }) {
  const rows = await real(connections, seconds * times)
  for (const count of simulations) {
    for (const phase of phases) rows.push(await simulated(phase, count, seconds * times))
  }
  console.log(table(['connections', 'beats', 'median', 'longest', 'of one core'], rows))
}
