import fastify from 'fastify'
import t from 'tap'
import readGuard from '../../lib/index.js'
import { guardedApp, warnings } from '../support/app/guarded-app.js'
import { head, RawClient } from '../support/client/raw-client.js'

t.test("Fastify's own timeouts are warned of at start, one line each, and nothing else is", async (t) => {
  const warningsOf = async (settings: object) => {
    const { app, log } = await guardedApp({ fastify: settings })
    await app.close()
    return warnings(log).map(({ msg }) => msg)
  }
  t.same(await warningsOf({}), [])
  t.match(await warningsOf({ requestTimeout: 2_000 }), [/^requestTimeout: 2000 stands beside fastify-read-guard: /])
  t.match(await warningsOf({ connectionTimeout: 3_000, requestTimeout: 2_000 }), [/^requestTimeout: 2000 /, /^connectionTimeout: 3000 /])
})

async function fail (port: number, headers: Record<string, string>): Promise<void> {
  const client = new RawClient(port)
  await client.write(head('POST', '/', { 'Content-Length': 20, 'Content-Type': 'text/plain', ...headers }))
  await client.closed
}

t.test('a failed read with X-Forwarded-For is warned of once where trustProxy is off', async (t) => {
  const guard = { bodyLimit: 10 }
  const forwarded = { 'X-Forwarded-For': '203.0.113.7' }
  const { app, port, log } = await guardedApp({ guard, routes: (app) => { app.post('/', async () => 'never') } })
  await fail(port, {})
  t.same(warnings(log), [], 'not without the header')
  await fail(port, forwarded)
  await fail(port, forwarded)
  await app.close()
  t.match(warnings(log).map(({ msg }) => msg), [/^Requests have X-Forwarded-For, but trustProxy is off/])

  const trusting = await guardedApp({ guard, fastify: { trustProxy: true }, routes: (app) => { app.post('/', async () => 'never') } })
  await fail(trusting.port, forwarded)
  await trusting.app.close()
  t.same(warnings(trusting.log), [], 'not where it is on')
  t.match(trusting.records, [{ ip: '203.0.113.7' }])
})

t.test('a server whose records nobody sees is warned of once, when it listens', async (t) => {
  const told: Error[] = []
  const onWarning = (warning: Error): void => { told.push(warning) }
  process.on('warning', onWarning)
  t.teardown(() => { process.off('warning', onWarning) })
  const start = async (listens: boolean, onAbort?: () => void) => {
    const app = fastify()
    await app.register(readGuard, { onAbort })
    if (listens) await app.listen({ port: 0, host: '127.0.0.1' })
    else await app.inject('/')
    await app.close()
  }
  await start(false)
  await start(true, () => {})
  t.same(told, [], 'not where it only injects, or has onAbort')
  await start(true)
  await start(true)
  t.match(told, [{ name: 'FastifyReadGuardWarning', code: 'FST_READ_NO_LOG' }])
  t.equal(told.length, 1)
})
