import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import fastify from 'fastify'
import t from 'tap'
import readGuard from '../../lib/index.js'
import { registerMetrics, type PrometheusClient } from '../../lib/prometheus.js'
import { RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'

interface Client extends PrometheusClient {
  readonly Registry: new () => { getSingleMetric (name: string): unknown }
  readonly register: { getSingleMetric (name: string): unknown, metrics (): Promise<string> }
}

const load = createRequire(import.meta.url)
const skip = Number(process.versions.node.split('.')[0]) >= 22 ? false : '@prometheus-io/client needs Node 22'

t.test('both clients at once: each has what was registered with it, and neither registry is taken for the other\'s', { skip }, async (t) => {
  const [old, renamed] = ['prom-client', '@prometheus-io/client'].map((name) => load(name) as Client)
  if (old === undefined || renamed === undefined) throw new Error('both are loaded')
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(readGuard)
  t.throws(() => registerMetrics(app, { client: old, registers: [renamed.register] }), { code: 'FST_READ_OPTIONS_INVALID', message: 'registerMetrics: registers must be an array of at least one registry of the client that was given' })
  t.throws(() => registerMetrics(app, { client: renamed, registers: [new old.Registry()] }), { code: 'FST_READ_OPTIONS_INVALID' })
  registerMetrics(app, { client: old })
  registerMetrics(app, { client: renamed })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = new RawClient(Number(new URL(app.listeningOrigin).port))
  await client.write('\0\r\n\r\n')
  await client.closed
  await until(() => app.readGuard.stats().aborted.FST_READ_MALFORMED === 1, 'it is counted')
  const [first, second] = await Promise.all([old, renamed].map(({ register }) => register.metrics()))
  for (const text of [first, second]) t.match(text, /^fastify_read_guard_read_failures_total\{reason="malformed",.*\} 1$/m)
})

for (const name of ['prom-client', '@prometheus-io/client']) {
  for (const which of ['default', 'own']) {
    t.test(`${name}: the primary of a cluster has the sums of its workers, in their ${which} registry`, { skip: name === 'prom-client' ? false : skip }, async (t) => {
      const transpile = new URL('../support/transpile.js', import.meta.url)
      const file = fileURLToPath(new URL('../support/app/clustered-app.ts', import.meta.url))
      const { stdout } = await promisify(execFile)(process.execPath, [`--import=${transpile.href}`, file, name, which])
      t.match(stdout, /^fastify_read_guard_read_failures_total\{reason="malformed",phase="headers",blame="client_invalid",route="",method="",observed="false"\} 5$/m)
      t.match(stdout, /^fastify_read_guard_failed_read_duration_seconds_count\{reason="malformed",phase="headers"\} 5$/m)
      t.match(stdout, /^fastify_read_guard_active_reads\{phase="body"\} 2$/m)
      t.match(stdout, /^fastify_read_guard_lingers_total \d+$/m)
    })
  }
}
