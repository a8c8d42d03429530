import type { IncomingMessage, ServerResponse } from 'node:http'
import expressPlugin from '@fastify/express'
import { createProxyMiddleware } from 'http-proxy-middleware'
import t from 'tap'
import { guardedApp } from '../support/app/guarded-app.js'
import { onlyAnswer } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'
import { answerable, begin, left, upstream } from './support.js'

type Middleware = (request: IncomingMessage, response: ServerResponse, next: () => void) => void

for (const failing of answerable) {
  t.test(`under @fastify/express a body that ${failing.name} ends in one answer, and upstream is let go`, async (t) => {
    const target = await upstream(t)
    const { port, recorded } = await guardedApp({
      t,
      guard: failing.guard,
      routes: async (app) => {
        await app.register(expressPlugin)
        app.use('/', createProxyMiddleware({ target: target.url }) as unknown as Middleware) // whose types are those of Express
      }
    })
    const client = await begin(port, '/')
    await until(() => target.open === 1, 'upstream has the request')
    failing.then(client)
    const { statusCode } = onlyAnswer(await client.closed)
    t.ok(statusCode >= 400, `answered with ${statusCode}`)
    const [record] = await recorded()
    t.match(record, { code: failing.code, answered: true })
    await until(() => target.open === 0, 'upstream is let go')
  })
}

t.test('under @fastify/express a client that leaves ends the request upstream, and nothing else', async (t) => {
  const target = await upstream(t)
  const { port, recorded } = await guardedApp({
    t,
    guard: left.guard,
    routes: async (app) => {
      await app.register(expressPlugin)
      app.use('/', createProxyMiddleware({ target: target.url }) as unknown as Middleware) // whose types are those of Express
    }
  })
  const client = await begin(port, '/')
  await until(() => target.open === 1, 'upstream has the request')
  left.then(client)
  const [record] = await recorded()
  t.match(record, { code: left.code, answered: false })
  await until(() => target.open === 0, 'upstream is let go')
})
