import { setTimeout as delay } from 'node:timers/promises'
import { startChild } from './child.js'
import { bare, startServer } from './servers.js'
import { median } from './stats.js'
import { table } from './table.js'

/**
 * @typedef {import('./servers.js').ServedOptions} ServedOptions
 * @typedef {import('./child.js').Client} Client
 */

/**
 * Limits that no client runs into here.
 * @type {ServedOptions}
 */
const guarded = { guard: { headersTimeout: 600_000, bodyTimeout: 600_000, bodyIdleTimeout: 600_000, minBodyRate: { bytesPerSecond: 1, gracePeriod: 600_000 } } }
/** @type {{ bare: ServedOptions, peers: ServedOptions, guarded: ServedOptions }} */
const apps = { bare, peers: { peers: true }, guarded }

const GET = 'GET / HTTP/1.1\r\nHost: bench\r\n'
const POST = `POST / HTTP/1.1\r\nHost: bench\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000\r\n\r\n${'x'.repeat(500)}`

/** @type {readonly (keyof typeof apps)[]} */
const names = ['bare', 'peers', 'guarded']

/**
 * What is done before the heap is looked at, in this order, on the same connections, and how many requests it takes.
 * @type {Record<string, readonly [requests: number, enter: (client: Client, port: number, count: number) => Promise<void>]>}
 */
const phases = {
  'idle, after a request': [1, (client, port, count) => client.ask('open', port, count, `${GET}\r\n`)],
  'header phase': [0, (client) => client.ask('write', GET)],
  'body under way': [2, async (client) => {
    await client.ask('exchange', '\r\n')
    await client.ask('write', POST)
  }]
}

/**
 * Bytes of heap per connection, in each phase.
 *
 * @param {ServedOptions} options
 * @param {number} count
 * @param {number} settle milliseconds
 * @returns {Promise<Record<string, number>>}
 */
async function measure (options, count, settle) {
  const server = await startServer([options], ['--expose-gc'])
  const client = await startChild('client-process.js')
  try {
    /** @param {number} connections */
    const go = async (connections) => {
      /** @type {Record<string, number>} */
      const found = {}
      for (const [name, [requests, enter]] of Object.entries(phases)) {
        const begun = await server.ask('begun')
        await enter(client, server.portOf(), connections)
        while (await server.ask('begun') < begun + requests * connections) await delay(20)
        // The guard has looked at each of them.
        await delay(settle)
        found[name] = await server.ask('heap')
      }
      await client.ask('close')
      while (await server.ask('connections') > 0) await delay(20)
      return found
    }
    await go(Math.ceil(count / 20)) // code and tables that stay
    await delay(settle)
    const before = await server.ask('heap')
    const found = await go(count)
    return Object.fromEntries(Object.entries(found).map(([name, after]) => [name, (after - before) / count]))
  } finally {
    await client.stop()
    await server.stop()
  }
}

/**
 * What a connection and a body keep on the heap, beside what Node and Fastify keep.
 *
 * @param {{ connections: number, repeats: number, settle: number, times?: number }} size
 */
export async function heap ({ connections, repeats, settle, times = 1 }) {
  /** @type {Record<keyof typeof apps, Record<string, number>[]>} */
  const found = { bare: [], peers: [], guarded: [] }
  for (let repeat = 0; repeat < repeats * times; repeat++) {
    const order = repeat % 2 === 0 ? names : names.toReversed()
    for (const name of order) found[name].push(await measure(apps[name], connections, settle))
  }
  const rows = Object.keys(phases).map((phase) => {
    /** @param {keyof typeof apps} name */
    const all = (name) => found[name].map((bytes) => bytes[phase] ?? NaN)
    /** @param {keyof typeof apps} name */
    const of = (name) => median(all(name))
    const spread = Math.max(...all('bare')) - Math.min(...all('bare'))
    return [phase, of('bare').toFixed(0), `+${(of('guarded') - of('bare')).toFixed(0)}`, `+${(of('peers') - of('bare')).toFixed(0)}`, spread.toFixed(0)]
  })
  console.log(`Bytes of heap per connection, ${connections} connections, after garbage collection:\n`)
  console.log(table(['', 'Node and Fastify', 'with the guard', 'asking the client\'s address alone', 'A/A spread'], rows))
}
