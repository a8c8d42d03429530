import { spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { startChild } from './child.js'
import { hasH2load } from './loads.js'
import { startServer } from './servers.js'
import { quantile } from './stats.js'
import { milliseconds, table } from './table.js'

const HEAD = 'GET / HTTP/1.1\r\nHost: bench\r\n'
const POST = 'POST / HTTP/1.1\r\nHost: bench\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000\r\n\r\nx'

/**
 * @typedef {import('./child.js').Client} Client
 * @typedef {import('./servers.js').Server} Server
 * @typedef {'heads' | 'bodies' | 'errors of stock Fastify'} Phase
 */

/**
 * Has so many reads run out at once, `limit` milliseconds from now.
 * @type {Record<Phase, (client: Client, server: Server, count: number, limit: number) => Promise<unknown>>}
 */
const phases = {
  /** Each has the same time from when it was accepted: they are as simultaneous as they could be accepted. */
  heads: (client, server, count) => client.ask('open', server.portOf(), count, HEAD),
  bodies: async (client, server, count, limit) => {
    await client.ask('open', server.portOf(), count, POST)
    while ((await server.ask('reading')).body < count) await delay(20)
    await server.ask('expire', limit)
  },
  /** What no guard can do without. */
  'errors of stock Fastify': async (client, server, count) => {
    await client.ask('open', server.portOf(), count, POST)
    while (await server.ask('held') < count) await delay(20)
    await server.ask('refuse')
  }
}

/**
 * Requests from another client, for as long as they are wanted, as many as the server can answer.
 *
 * @param {number} port
 * @returns {Promise<() => Promise<void>>} stops them
 */
async function startLoad (port) {
  if (hasH2load) {
    const h2load = spawn('h2load', ['--h1', '--clients=8', '--duration=60', `http://127.0.0.1:${port}/`], { stdio: 'ignore' })
    return async () => { h2load.kill('SIGKILL') }
  }
  const client = await startChild('client-process.js')
  client.ask('load', { port, clients: 8, requests: Infinity, method: 'GET' }).catch(() => {})
  return () => client.stop()
}

/**
 * @param {Phase} phase
 * @param {number} count
 * @param {number} limit milliseconds
 * @param {boolean} loaded
 */
async function measure (phase, count, limit, loaded) {
  // Times for bodies are set once all of them are there.
  const isStock = phase === 'errors of stock Fastify'
  const server = await startServer([isStock ? { refuses: true } : { late: true, guard: { headersTimeout: phase === 'heads' ? limit : 60_000 } }])
  const client = await startChild('client-process.js')
  try {
    const stopLoad = loaded ? await startLoad(server.portOf()) : undefined
    if (loaded) await delay(500)
    await phases[phase](client, server, count, limit)
    /** @type {number[]} */
    let late = []
    const deadline = performance.now() + 30_000
    do {
      if (performance.now() > deadline) throw new Error(`${late.length} of ${count} reads were ended`)
      await delay(100)
      late = await server.ask('lateness')
    } while (late.length < count)
    await stopLoad?.()
    return late
  } finally {
    await client.stop()
    await server.stop()
  }
}

/**
 * How late after its limit a read has ended: from there until its answer has left the process. For comparison, as many errors that
 * stock Fastify sends.
 *
 * @param {{ counts: readonly number[], limit: number, repeats: number, times?: number }} size
 */
export async function lateness ({ counts, limit, repeats, times = 1 }) {
  const rows = []
  for (const loaded of [false, true]) {
    for (const phase of /** @type {const} */ (['heads', 'bodies', 'errors of stock Fastify'])) {
      for (const count of counts) {
        /** @type {number[]} */
        const late = []
        const wanted = count === 1 ? repeats * times : 1
        for (let repeat = 0; repeat < wanted; repeat++) late.push(...await measure(phase, count, limit, loaded))
        rows.push([`${count} ${phase}, ${loaded ? 'loaded' : 'idle'}`, ...[0.5, 0.99, 1].map((share) => `${milliseconds(quantile(late, share))} ms`)])
      }
    }
  }
  console.log(`After the limit, at the default \`resolution\` of 100 ms; of one at a time, ${repeats * times} in turns:\n`)
  console.log(table(['violations at once', 'p50', 'p99', 'max'], rows))
}
