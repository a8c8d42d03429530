import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { bare, guarded, startServer } from './servers.js'

/** Whether the machine counts instructions, which are steadier than time: few virtual ones do. */
export function countsInstructions () {
  const { status, stderr } = spawnSync('perf', ['stat', '-x,', '-e', 'instructions', 'true'], { encoding: 'utf8' })
  return status === 0 && Number(stderr.split(',')[0]) > 0
}

/**
 * Events that `perf` counts in a process while something is done.
 *
 * @param {string} event
 * @param {number} pid
 * @param {() => Promise<unknown>} action
 */
async function eventsDuring (event, pid, action) {
  const perf = spawn('perf', ['stat', '-x,', '-e', event, '-p', String(pid)], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  perf.stderr.setEncoding('utf8').on('data', (text) => { said += text })
  await delay(200) // it says nothing when it has begun
  await action()
  perf.kill('SIGINT')
  await once(perf, 'close')
  return Number(said.split(',')[0])
}

/**
 * @param {import('./loads.js').Loader} loader
 * @param {readonly import('./loads.js').Load[]} wanted
 * @param {number} requests
 */
export async function instructionsPerRequest (loader, wanted, requests) {
  const server = await startServer([bare, guarded])
  try {
    const found = []
    for (const load of wanted) {
      /** @type {number[]} */
      const counts = []
      for (const port of server.ports) {
        await loader.send(load, port, requests)
        counts.push(await eventsDuring('instructions', server.pid, () => loader.send(load, port, requests)) / requests)
      }
      found.push(`${load.name} ${counts.map((count) => count.toFixed(0)).join(' → ')}`)
    }
    return found.join(', ')
  } finally {
    await server.stop()
  }
}
