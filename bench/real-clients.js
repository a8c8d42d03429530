// What real clients see of an answer that comes before the end of their upload: with the default linger, and without.
// Run `npm run build` first, then `node bench/real-clients.js [tries] [part of a client's name]`.
import { execFileSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import fastify from 'fastify'
import readGuard from 'fastify-read-guard'
import { realRoutes } from '../test/support/app/real-routes.js'
import { isInstalled, realClients, sawAnswer, tryUploads, uploads, uploadsOf } from '../test/support/client/real-clients.js'
import { certificate } from './certificate.js'
import { table } from './table.js'

const tries = Number(process.argv[2] ?? 20)
const named = process.argv[3] ?? ''

/**
 * @typedef {import('../test/support/client/real-clients.js').RealClient} RealClient
 * @typedef {import('../test/support/client/real-clients.js').Saw} Saw
 * @typedef {import('../test/support/client/real/upload.js').Upload} Upload
 * @typedef {import('fastify-read-guard').ReadGuardOptions} ReadGuardOptions
 */

/** @type {Record<RealClient['server'], object>} */
const kinds = { http: {}, h2c: { http2: true }, h2: { http2: true, https: certificate } }

/**
 * @param {RealClient['server']} kind
 * @param {ReadGuardOptions} options
 */
async function startKind (kind, options) {
  // The server is asked for nothing that those of the other kinds do not have.
  const app = fastify(/** @type {import('fastify').FastifyServerOptions} */ (kinds[kind]))
  await app.register(readGuard, options)
  realRoutes(app)
  return { origin: await app.listen({ port: 0, host: '127.0.0.1' }), close: () => app.close() }
}

/** @param {ReadGuardOptions} options */
async function startServers (options) {
  const servers = { http: await startKind('http', options), h2c: await startKind('h2c', options), h2: await startKind('h2', options) }
  /** @param {RealClient} client */
  const originFor = (client) => servers[client.server].origin
  return { originFor, close: () => Promise.all(Object.values(servers).map((server) => server.close())) }
}

/**
 * What went wrong, and how often.
 *
 * @param {readonly Saw[]} saws
 * @param {Upload} upload
 */
function faultsOf (saws, upload) {
  /** @type {Record<string, number>} */
  const faults = {}
  for (const { error, statusCode } of saws.filter((saw) => !sawAnswer(saw, upload))) {
    const fault = error ?? `status ${statusCode}`
    faults[fault] = (faults[fault] ?? 0) + 1
  }
  return Object.entries(faults).map(([fault, times]) => `${times} × ${fault}`).join(', ')
}

/** @type {readonly (readonly [mode: 'linger' | 'none', options: ReadGuardOptions])[]} */
const modes = [['linger', {}], ['none', { linger: false }]]

const installed = realClients.filter((client) => client.name.includes(named) && isInstalled(client))
/** @type {Map<string, number>} how many answers were seen, by mode, client and upload */
const found = new Map()
/** @type {string[]} */
const faults = []
for (const [mode, options] of modes) {
  const servers = await startServers(options)
  for (const client of installed) {
    for (const [upload, saws] of await tryUploads(client, uploadsOf(client), servers.originFor(client), tries)) {
      const seen = saws.filter((saw) => sawAnswer(saw, upload)).length
      found.set(`${mode} ${client.name} ${upload.name}`, seen)
      if (seen < tries) faults.push(`${mode === 'none' ? '`linger: false`, ' : ''}${client.name}, ${upload.name}: ${faultsOf(saws, upload)}`)
    }
  }
  await servers.close()
}

const rows = installed.map(({ name }) => [name, ...uploads.map((upload) => {
  const [linger, none] = modes.map(([mode]) => found.get(`${mode} ${name} ${upload.name}`))
  return linger === undefined ? '' : `${linger} (${none})`
})])
const missing = realClients.filter((client) => !installed.includes(client) && client.name.includes(named)).map(({ name }) => name)
const versions = ['curl --version', 'python3 --version', 'h2load --version', 'chromium --version'].flatMap((command) => {
  try {
    return execFileSync('sh', ['-c', `${command} 2> /dev/null`], { encoding: 'utf8' }).split(/\n| \(/, 1)
  } catch {
    return []
  }
})
console.log(`Node ${process.versions.node}, ${availableParallelism()} cores; ${versions.join(', ')}\n`)
console.log(`Answers seen in ${tries} tries with the default linger (and with \`linger: false\`):\n`)
console.log(table(['client', ...uploads.map(({ name }) => name)], rows))
if (missing.length > 0) console.log(`\nNot installed: ${missing.join(', ')}`)
if (faults.length > 0) console.log(`\nWhat they saw instead:\n\n${faults.map((fault) => `- ${fault}`).join('\n')}`)
