// nginx, HAProxy, Apache, stock Fastify and the guard with equal limits, and what each does with the same clients. On Linux; programs that
// are not there are left out. node bench/peers/main.js [--only wire,attacks --json]
import { parseArgs } from 'node:util'
import { attacked, attacks, cellOf as attackCell, CONNECTIONS, slowhttptest } from './attacks.js'
import { peers } from './servers.js'
import { limits, WATCHED } from './settings.js'
import { cellOf as wireCell, outcomeOf, wireCases } from './wire-cases.js'

const { values } = parseArgs({
  options: {
    /** Which parts: raw clients, and slowhttptest with good clients beside. */
    only: { type: 'string', default: 'wire,attacks' },
    /** The cells alone, by server and client. */
    json: { type: 'boolean', default: false }
  }
})
const parts = values.only.split(',')

if (process.platform !== 'linux') {
  console.log('Skipped: it needs Linux')
  process.exit()
}

const there = peers.filter(({ version }) => version !== undefined)
/** @type {Record<string, Record<string, string>>} */
const cells = Object.fromEntries(there.map(({ name }) => [name, {}]))

/**
 * @param {import('./servers.js').Peer} peer
 * @param {(server: import('./servers.js').Running, cells: Record<string, string>) => Promise<unknown>} act
 */
async function withServer ({ name, start }, act) {
  const server = await start()
  try {
    await act(server, cells[name] ?? {})
  } finally {
    await server.stop()
  }
}

// Clients that wait do next to nothing: all at once. Attacks are measured one by one.
if (parts.includes('wire')) {
  await Promise.all(there.map((peer) => withServer(peer, (server, own) => Promise.all(wireCases.map(async (wireCase) => {
    own[wireCase.name] = wireCell(await outcomeOf(server, wireCase))
  })))))
}
if (parts.includes('attacks') && slowhttptest !== undefined) {
  for (const peer of there) {
    for (const attack of attacks) await withServer(peer, async (server, own) => { own[`\`${attack}\``] = attackCell(await attacked(server, attack)) })
  }
}

if (values.json) {
  console.log(JSON.stringify(cells))
} else {
  const versions = there.map(({ name, version }) => `${name} ${version}`).filter((_, index, all) => !all[index]?.startsWith('HAProxy,'))
  console.log(`${new Date().toISOString().slice(0, 10)}, Linux, on loopback: ${versions.join('; ')}${slowhttptest === undefined ? '' : `; slowhttptest ${slowhttptest}, ${CONNECTIONS} connections`}.`)
  console.log(`All limits in time are ${limits.seconds} s, all rates ${limits.rate} bytes per second, bodies ${limits.bodyBytes / 1_024} KB; watched for ${WATCHED / 1_000} s.\n`)
  const rows = [...new Set(there.flatMap(({ name }) => Object.keys(cells[name] ?? {})))]
  console.log(`| the client | ${there.map(({ name }) => name).join(' | ')} |`)
  console.log(`|---${'|---'.repeat(there.length)}|`)
  for (const row of rows) console.log(`| ${row} | ${there.map(({ name }) => cells[name]?.[row] ?? '').join(' | ')} |`)
  console.log(`\nSettings: ${there.map(({ name, settings }) => `${name} ${settings}`).join('; ')}.`)
}
