import { setTimeout as delay } from 'node:timers/promises'
import { startChild } from './child.js'
import { bare, startServer } from './servers.js'
import { median } from './stats.js'
import { table } from './table.js'

/** Limits that nobody runs into here. */
const guarded = { guard: { headersTimeout: 600_000, bodyTimeout: 600_000, bodyIdleTimeout: 600_000, minBodyRate: { bytesPerSecond: 1, gracePeriod: 600_000 } } }
const apps = { bare, peers: { peers: true }, guarded }

const GET = 'GET / HTTP/1.1\r\nHost: bench\r\n'
const POST = `POST / HTTP/1.1\r\nHost: bench\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000\r\n\r\n${'x'.repeat(500)}`

/** What is done before the heap is looked at, in this order, on the same connections, and how many requests it takes. */
const phases = {
  'idle, after a request': [1, (client, port, count) => client.ask('open', port, count, `${GET}\r\n`)],
  'header phase': [0, (client) => client.ask('write', GET)],
  'body under way': [2, (client) => client.ask('write', `\r\n${POST}`)]
}

/** Bytes of heap per connection, in each phase. */
async function measure (options, count, settle) {
  const server = await startServer([options], ['--expose-gc'])
  const client = await startChild('client-process.js')
  const [port] = server.ports
  try {
    const go = async (connections) => {
      const found = {}
      for (const [name, [requests, enter]] of Object.entries(phases)) {
        const begun = await server.ask('begun')
        await enter(client, port, connections)
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

/** What a connection and a body keep on the heap, beside what Node and Fastify keep. */
export async function heap ({ connections, repeats, settle, times = 1 }) {
  const found = Object.fromEntries(Object.keys(apps).map((name) => [name, []]))
  for (let repeat = 0; repeat < repeats * times; repeat++) {
    const order = repeat % 2 === 0 ? Object.keys(apps) : Object.keys(apps).toReversed()
    for (const name of order) found[name].push(await measure(apps[name], connections, settle))
  }
  const rows = Object.keys(phases).map((phase) => {
    const of = (name) => median(found[name].map((bytes) => bytes[phase]))
    const spread = Math.max(...found.bare.map((bytes) => bytes[phase])) - Math.min(...found.bare.map((bytes) => bytes[phase]))
    return [phase, of('bare').toFixed(0), `+${(of('guarded') - of('bare')).toFixed(0)}`, `+${(of('peers') - of('bare')).toFixed(0)}`, spread.toFixed(0)]
  })
  console.log(`Bytes of heap per connection, ${connections} connections, after garbage collection:\n`)
  console.log(table(['', 'Node and Fastify', 'with the guard', 'asking the client\'s address alone', 'A/A spread'], rows))
}
