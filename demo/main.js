// The same clients, innocent and hostile, call stock Fastify and Fastify with the guard. npm run demo
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { callAll, clients } from './clients.js'
import { Pages } from './pages.js'
import { Progress } from './progress.js'
import { limits, routeLimits, startServer } from './servers.js'
import { limitLines, logLine, outcomeTable } from './table.js'

/** Stock Fastify would hold the hostile clients for minutes, some of them for ever. The demo waits so many milliseconds. */
const PATIENCE = 4_000
const REPORT = fileURLToPath(new URL('../dist/report/cli.js', import.meta.url))

/**
 * @param {string} title
 * @param {boolean} guarded
 */
async function run (title, guarded) {
  const server = await startServer(guarded)
  const progress = new Progress(title, clients.length)
  // Twice the patience: a connection that the guard has not ended by then, it never ends.
  const outcomes = await callAll(server, guarded ? PATIENCE * 2 : PATIENCE, () => progress.advance())
  progress.end()
  await server.close()
  return { outcomes, log: server.log }
}

const pages = new Pages()

await pages.show(`${clients.length} clients call one application: first on stock Fastify, then with the guard.

The guard's limits, shorter than its defaults so that the demo is short:
${limitLines(limits, routeLimits)}
`)

const stock = await run('stock Fastify', false)
const guarded = await run('with the guard', true)

const turnedAway = clients.filter(({ innocent }, i) => innocent && guarded.outcomes[i]?.status !== 200).length
const [heldBefore, heldAfter] = [stock, guarded].map(({ outcomes }) => outcomes.filter(({ held }) => held).length)

await pages.show(`
${outcomeTable(stock.outcomes, guarded.outcomes, PATIENCE)}
Still open: ${heldBefore} on stock Fastify, ${heldAfter} with the guard. Innocent and refused: ${turnedAway}.`)

const stalled = guarded.log.find(({ abort }) => /** @type {{ reason?: string } | undefined} */ (abort)?.reason === 'body_idle_timeout')
if (stalled !== undefined) {
  await pages.show(`
Each read that failed is one record in the log. That of the client that stops in
the middle:

${logLine(stalled)}`)
}

const log = guarded.log.map((line) => JSON.stringify(line)).join('\n')
const { stdout: report } = spawnSync(process.execPath, [REPORT, 'report'], { input: log, encoding: 'utf8' })
await pages.show(`
The whole log, as \`npx fastify-read-guard report app.log\` tells of it:

${report.trimEnd()}`)

pages.close()
if (turnedAway > 0 || heldAfter !== 0 || report === '') process.exitCode = 1
