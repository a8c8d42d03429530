// nginx, HAProxy, Apache, stock Fastify and the guard with equal limits, and what each does with the same clients. On Linux; programs that
// are not there are left out. node bench/peers/main.js [--only waits,floods,attacks --json]
import { parseArgs } from 'node:util'
import { attackCell, attacks, CONNECTIONS, slowhttptest } from './attacks.js'
import { peers } from './servers.js'
import { limits, WATCHED } from './settings.js'
import { wireCases, wireCell } from './wire-cases.js'

const { values } = parseArgs({
  options: {
    /** Which parts: raw clients that wait, those that do not, and slowhttptest with good clients beside. */
    only: { type: 'string', default: 'waits,floods,attacks' },
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

// Clients that wait do next to nothing: all at once. Those that do not, and attacks, are measured one by one.
if (parts.includes('waits')) {
  const others = wireCases.filter(({ times }) => times === undefined)
  await Promise.all(there.map((peer) => withServer(peer, (server, own) => Promise.all(others.map(async (wireCase) => {
    own[wireCase.name] = await wireCell(server, wireCase)
  })))))
}
if (parts.includes('floods')) {
  const floods = wireCases.filter(({ times }) => times !== undefined)
  for (const peer of there) {
    await withServer(peer, async (server, own) => {
      for (const wireCase of floods) own[wireCase.name] = await wireCell(server, wireCase)
    })
  }
}
if (parts.includes('attacks') && slowhttptest !== undefined) {
  for (const peer of there) {
    for (const attack of attacks) await withServer(peer, async (server, own) => { own[`\`${attack}\``] = await attackCell(server, attack) })
  }
}

if (values.json) {
  console.log(JSON.stringify(cells))
} else {
  const versions = there.map(({ name, version }) => `${name} ${version}`).filter((_, index, all) => !all[index]?.startsWith('HAProxy,'))
  console.log(`${new Date().toISOString().slice(0, 10)}, Linux, on loopback: ${versions.join('; ')}${slowhttptest === undefined ? '' : `; slowhttptest ${slowhttptest}, ${CONNECTIONS} connections`}.`)
  console.log(`All limits in time are ${limits.seconds} s, all rates ${limits.rate} bytes per second, bodies ${limits.bodyBytes / 1_024} KB; watched for ${WATCHED / 1_000} s.\n`)
  const clients = [...wireCases.map(({ name }) => name), ...attacks.map((attack) => `\`${attack}\``)]
  const rows = clients.filter((client) => there.some(({ name }) => cells[name]?.[client] !== undefined))
  console.log(`| the client | ${there.map(({ name }) => name).join(' | ')} |`)
  console.log(`|---${'|---'.repeat(there.length)}|`)
  for (const row of rows) console.log(`| ${row} | ${there.map(({ name }) => cells[name]?.[row] ?? '').join(' | ')} |`)
  console.log(`\nSettings: ${there.map(({ name, settings }) => `${name} ${settings}`).join('; ')}.`)
}
