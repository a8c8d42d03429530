import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { registerMetrics, type PrometheusClient } from '../../lib/prometheus.js'
import { failingApp, failOverHttp1, failOverHttp2, statsByReason, tally } from '../support/app/failing-reads.js'
import { root } from '../support/app/packed.js'
import { until } from '../support/oracle/until.js'

interface Client extends PrometheusClient {
  readonly Registry: new () => { getSingleMetric (name: string): unknown, metrics (): Promise<string>, readonly contentType: string }
}

const client = createRequire(import.meta.url)('prom-client') as Client
const skip = spawnSync('prometheus', ['--version']).status === 0 ? false : 'prometheus is not installed'

async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // of a server that listens on a port
  server.close()
  return port
}

interface Series {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [time: number, value: string]
}

/** A Prometheus that scrapes one application every quarter of a second. */
async function prometheus (t: Test, target: number): Promise<(promql: string) => Promise<Series[]>> {
  const port = await freePort()
  const config = { global: { scrape_interval: '250ms' }, scrape_configs: [{ job_name: 'app', static_configs: [{ targets: [`127.0.0.1:${target}`] }] }] }
  const folder = t.testdir({ 'prometheus.yml': JSON.stringify(config) })
  const child = spawn('prometheus', [`--config.file=${join(folder, 'prometheus.yml')}`, `--storage.tsdb.path=${join(folder, 'data')}`, `--web.listen-address=127.0.0.1:${port}`], { stdio: 'ignore' })
  t.teardown(async () => {
    const exited = once(child, 'exit')
    child.kill()
    await exited
  })
  const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`)
  await until(() => get('/-/ready').then(({ ok }) => ok, () => false), 'Prometheus is ready')
  return async (promql) => {
    const answer = await (await get(`/api/v1/query?query=${encodeURIComponent(promql)}`)).json() as { status: string, error?: string, data: { result: Series[] } }
    if (answer.status !== 'success') throw new Error(`${promql}: ${String(answer.error)}`)
    return answer.data.result
  }
}

t.test('a real Prometheus has what the clients, stats() and the records have, and every documented query has an answer', { skip }, async (t) => {
  const registry = new client.Registry()
  const http1 = await failingApp({
    t,
    protocol: 'http',
    routes: (app) => {
      registerMetrics(app, { client, registers: [registry] })
      app.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()))
    }
  })
  const http2 = await failingApp({ t, protocol: 'h2c', routes: (app) => registerMetrics(app, { client, registers: [registry] }) })
  const query = await prometheus(t, http1.port)
  await until(async () => (await query('up'))[0]?.value[1] === '1', 'it is scraped')
  const known = (await Promise.all([failOverHttp1(http1, { tls: false }), failOverHttp2(http2)])).flat()
  await Promise.all([http1.recorded(known.length - 2), http2.recorded(2)])
  http1.answer()
  http2.answer()

  const counted = async (...labels: readonly string[]): Promise<Record<string, number>> => {
    const series = await query(`sum by (${labels.join(', ')}) (fastify_read_guard_read_failures_total)`)
    return Object.fromEntries(series.map(({ metric, value }) => [labels.map((label) => metric[label] ?? '').join(' '), Number(value[1])]))
  }
  await until(async () => Number((await query('sum(fastify_read_guard_read_failures_total)'))[0]?.value[1]) === known.length, 'all are scraped')
  t.same(await counted('reason', 'phase', 'method', 'route'), tally(known, ({ reason, phase, method = '', route = '' }) => `${reason} ${phase} ${method} ${route}`), 'the clients')
  t.same(await counted('reason'), statsByReason(http1, http2), 'stats()')

  const documented = [...readFileSync(join(root, 'docs/metrics.md'), 'utf8').matchAll(/^```promql\n(.+?)^```$/gms)].map(([, promql = '']) => promql)
  t.ok(documented.length >= 9)
  await until(async () => (await query('sum(count_over_time(fastify_read_guard_lingers_total[1m]))')).some(({ value }) => Number(value[1]) >= 8), 'there are rates by now')
  for (const promql of documented) await t.resolves(query(promql), promql)
  const [first = '', ...rest] = documented.filter((promql) => promql.includes('unless'))
  t.same(rest, [])
  t.same(Object.fromEntries((await query(first)).map(({ metric, value }) => [metric['reason'], Number(value[1])])), statsByReason(http1, http2), 'that of the first failures has them')
})
