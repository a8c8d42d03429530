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

const kinds = { http: {}, h2c: { http2: true }, h2: { http2: true, https: certificate } }

async function startServers (options) {
  const apps = []
  const origins = {}
  for (const [kind, settings] of Object.entries(kinds)) {
    const app = fastify(settings)
    await app.register(readGuard, options)
    realRoutes(app)
    const address = await app.listen({ port: 0, host: '127.0.0.1' })
    apps.push(app)
    origins[kind] = address
  }
  return { origins, close: () => Promise.all(apps.map((app) => app.close())) }
}

/** What went wrong, and how often. */
function faultsOf (saws, upload) {
  const faults = {}
  for (const { error, statusCode } of saws.filter((saw) => !sawAnswer(saw, upload))) {
    const fault = error ?? `status ${statusCode}`
    faults[fault] = (faults[fault] ?? 0) + 1
  }
  return Object.entries(faults).map(([fault, times]) => `${times} × ${fault}`).join(', ')
}

const installed = realClients.filter((client) => client.name.includes(named) && isInstalled(client))
const found = {}
const faults = []
for (const [mode, options] of Object.entries({ linger: {}, none: { linger: false } })) {
  const servers = await startServers(options)
  for (const client of installed) {
    for (const [upload, saws] of await tryUploads(client, uploadsOf(client), servers.origins[client.server], tries)) {
      const seen = saws.filter((saw) => sawAnswer(saw, upload)).length
      ;((found[client.name] ??= {})[upload.name] ??= {})[mode] = seen
      if (seen < tries) faults.push(`${mode === 'none' ? '`linger: false`, ' : ''}${client.name}, ${upload.name}: ${faultsOf(saws, upload)}`)
    }
  }
  await servers.close()
}

const rows = installed.map(({ name }) => [name, ...uploads.map((upload) => {
  const { linger, none } = found[name][upload.name] ?? {}
  return linger === undefined ? '' : `${linger} (${none})`
})])
const missing = realClients.filter((client) => !installed.includes(client) && client.name.includes(named)).map(({ name }) => name)
const versions = ['curl --version', 'python3 --version', 'h2load --version', 'chromium --version'].flatMap((command) => {
  try {
    return execFileSync('sh', ['-c', `${command} 2> /dev/null`], { encoding: 'utf8' }).split('\n')[0].split(' (')[0]
  } catch {
    return []
  }
})
console.log(`Node ${process.versions.node}, ${availableParallelism()} cores; ${versions.join(', ')}\n`)
console.log(`Answers seen in ${tries} tries with the default linger (and with \`linger: false\`):\n`)
console.log(table(['client', ...uploads.map(({ name }) => name)], rows))
if (missing.length > 0) console.log(`\nNot installed: ${missing.join(', ')}`)
if (faults.length > 0) console.log(`\nWhat they saw instead:\n\n${faults.map((fault) => `- ${fault}`).join('\n')}`)
