import cluster, { type Worker } from 'node:cluster'
import { createRequire } from 'node:module'
import fastify from 'fastify'
import readGuard from '../../../lib/index.js'
import { registerMetrics, type PrometheusClient, type PrometheusRegistry } from '../../../lib/prometheus.js'
import { head, RawClient } from '../client/raw-client.js'
import { until } from '../oracle/until.js'

/*
 * A cluster of two workers, each with an application of its own, whose clients fail at both. With the client of Prometheus that
 * its first argument names, it prints what the primary gives a scrape. The second one says which registry they count in: the
 * client's `default`, or their `own`.
 */

interface Client extends PrometheusClient {
  readonly Registry: new () => PrometheusRegistry
  /** Of either name; whoever makes one takes part in the aggregation, a worker as well. */
  readonly AggregatorRegistry: {
    new (): { clusterMetrics (): Promise<string> }
    setRegistries (registries: readonly PrometheusRegistry[]): void
  }
}

const [, , name = '', which] = process.argv
const client = createRequire(import.meta.url)(name) as Client
const registry = new client.AggregatorRegistry()

async function work (): Promise<void> {
  const app = fastify()
  await app.register(readGuard, { bodyIdleTimeout: 0 })
  app.post('/', async () => 'fine')
  const registers = [which === 'own' ? new client.Registry() : client.register]
  if (which === 'own') client.AggregatorRegistry.setRegistries(registers)
  registerMetrics(app, { client, registers })
  await app.listen({ port: 0, host: '127.0.0.1', exclusive: true })
  process.send?.(Number(new URL(app.listeningOrigin).port))
}

function portOf (worker: Worker): Promise<number> {
  return new Promise((resolve) => {
    worker.on('message', (message: unknown) => { if (typeof message === 'number') resolve(message) })
  })
}

async function fail (port: number, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    const malformed = new RawClient(port)
    await malformed.write('\0\r\n\r\n')
    await malformed.closed
  }
  const stalled = new RawClient(port)
  await stalled.write(head('POST', '/', { 'Content-Type': 'text/plain', 'Content-Length': 9 }) + 'a')
}

if (cluster.isPrimary) {
  const workers = [cluster.fork(), cluster.fork()]
  const ports = await Promise.all(workers.map(portOf))
  await Promise.all(ports.map((port, i) => fail(port, i + 2)))
  let scraped = ''
  await until(async () => {
    scraped = await registry.clusterMetrics()
    return scraped.includes('active_reads{phase="body"} 2')
  }, 'both bodies are read')
  process.stdout.write(scraped)
  for (const worker of workers) worker.process.kill()
  process.exit()
} else {
  await work()
}
