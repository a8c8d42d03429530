// The same clients, innocent and hostile, against stock Fastify and against one with the guard. npm run demo
import { callAll, clients } from './clients.js'
import { startServer } from './servers.js'
import { logLine, outcomeTable, recordTable } from './table.js'

/** @typedef {import('fastify-read-guard').AbortRecord} AbortRecord */

/** Stock Fastify would hold the hostile clients for minutes, some for ever: nobody wants to watch that. In milliseconds. */
const PATIENCE = 4_000

/** @param {boolean} guarded */
async function run (guarded) {
  const server = await startServer(guarded)
  // Twice the patience: what the guard does not end in that time, it does not end.
  const outcomes = await callAll(server, guarded ? PATIENCE * 2 : PATIENCE)
  await server.close()
  return { outcomes, log: server.log }
}

console.log(`${clients.length} clients call stock Fastify, for at most ${PATIENCE / 1_000} s …`)
const stock = await run(false)
console.log('the same clients call the same application with the guard …\n')
const guarded = await run(true)

console.log(outcomeTable(stock.outcomes, guarded.outcomes))

const lines = /** @type {Array<{ level: number, abort: AbortRecord }>} */ (guarded.log.filter(({ abort }) => abort !== undefined))
console.log('\nThe guard has logged one record for each read that failed:\n')
console.log(recordTable(lines))

const stalled = lines.find(({ abort }) => abort.reason === 'body_idle_timeout')
if (stalled !== undefined) console.log(`\nOne of them as it is in the log:\n\n${logLine(stalled)}`)

const refused = clients.filter(({ innocent }, i) => innocent && guarded.outcomes[i]?.status !== 200)
const held = clients.filter((_client, i) => guarded.outcomes[i]?.held)
console.log(`\nInnocent clients turned away with the guard: ${refused.length}`)
console.log(`Connections still held: ${stock.outcomes.filter((outcome) => outcome.held).length} by stock Fastify, ${held.length} with the guard`)
if (refused.length + held.length > 0) process.exitCode = 1
