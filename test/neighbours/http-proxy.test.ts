import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import httpProxy from 'http-proxy'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { guardedApp } from '../support/app/guarded-app.js'
import { chunk, head, onlyAnswer, RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'
import { answerable, begin, left, takeBodiesRaw, upstream, type Upstream } from './support.js'

t.jobs = 4

/** How an application is told by `http-proxy` that a request failed, and what it does then. */
interface Way {
  readonly name: string
  /** @param onFailure takes note that the application was told */
  readonly route: (app: FastifyInstance, target: Upstream, onFailure: () => void) => void
  /** The status that the application gives; `undefined` where it leaves that to the read's error. */
  readonly own?: number
}

function isResponse (given: ServerResponse | Socket): given is ServerResponse {
  return 'writeHead' in given
}

const ways: readonly Way[] = [
  {
    name: "proxy.on('error') that writes head and body, as its README has it",
    own: 500,
    route: (app, target, onFailure) => {
      const proxy = httpProxy.createProxyServer({ target: target.url })
      proxy.on('error', (_error: Error, _request: IncomingMessage, response: ServerResponse | Socket) => {
        onFailure()
        if (isResponse(response)) response.writeHead(500, { 'Content-Type': 'text/plain', 'Content-Length': 9 })
        response.end('not today')
      })
      app.post('/', (request, reply) => {
        reply.hijack()
        proxy.web(request.raw, reply.raw)
      })
    }
  },
  {
    name: "proxy.on('error') that takes half a second",
    own: 502,
    route: (app, target, onFailure) => {
      const proxy = httpProxy.createProxyServer({ target: target.url })
      proxy.on('error', (_error: Error, _request: IncomingMessage, response: ServerResponse | Socket) => {
        onFailure()
        setTimeout(() => {
          if (isResponse(response)) response.writeHead(502, { 'Content-Length': 0 })
          response.end()
        }, 500)
      })
      app.post('/', (request, reply) => {
        reply.hijack()
        proxy.web(request.raw, reply.raw)
      })
    }
  },
  {
    name: 'a callback of proxy.web()',
    own: 503,
    route: (app, target, onFailure) => {
      const proxy = httpProxy.createProxyServer({ target: target.url })
      app.post('/', (request, reply) => {
        reply.hijack()
        proxy.web(request.raw, reply.raw, {}, () => {
          onFailure()
          reply.raw.writeHead(503, { 'Content-Length': 0 })
          reply.raw.end()
        })
      })
    }
  },
  {
    name: 'a callback that hands the error to the framework',
    route: (app, target, onFailure) => {
      const proxy = httpProxy.createProxyServer({ target: target.url })
      app.post('/', (request, reply) => {
        proxy.web(request.raw, reply.raw, {}, (error) => {
          onFailure()
          if (!reply.sent) reply.send(error)
        })
        return reply
      })
    }
  }
]

for (const way of ways) {
  for (const failing of answerable) {
    t.test(`${way.name}: a body that ${failing.name} is told once and answered once, and upstream is let go`, async (t) => {
      const target = await upstream(t)
      let told = 0
      const { port, recorded } = await guardedApp({ t, guard: failing.guard, routes: (app) => { takeBodiesRaw(app); way.route(app, target, () => { told++ }) } })
      const client = await begin(port, '/')
      await until(() => target.open === 1, 'upstream has the request')
      failing.then(client)
      t.equal(onlyAnswer(await client.closed).statusCode, way.own ?? failing.statusCode)
      const [record] = await recorded()
      t.match(record, { code: failing.code, answered: true })
      await until(() => target.open === 0, 'upstream is let go')
      t.equal(told, 1)
    })
  }

  t.test(`${way.name}: a client that leaves ends the request upstream, and nothing else`, async (t) => {
    const target = await upstream(t)
    let told = 0
    const { port, recorded, app } = await guardedApp({ t, guard: left.guard, routes: (app) => { takeBodiesRaw(app); way.route(app, target, () => { told++ }) } })
    const client = await begin(port, '/')
    await until(() => target.open === 1, 'upstream has the request')
    left.then(client)
    const [record] = await recorded()
    t.match(record, { code: left.code, statusCode: 499, answered: false })
    await until(() => target.open === 0, 'upstream is let go')
    t.ok(told <= 1, `told ${told} times`)
    t.equal(app.readGuard.stats().reading.body, 0)
  })

  t.test(`${way.name}: a client that leaves after its answer ends nothing`, async (t) => {
    const target = await upstream(t)
    let told = 0
    const { port, recorded, records } = await guardedApp({ t, guard: { bodyIdleTimeout: 300, linger: { timeout: 2_000 } }, routes: (app) => { takeBodiesRaw(app); way.route(app, target, () => { told++ }) } })
    const client = await begin(port, '/')
    await client.until(/\r\n\r\n/)
    client.rst()
    await client.closed
    await recorded()
    await until(() => target.open === 0, 'upstream is let go')
    t.equal(told, 1)
    t.equal(records.length, 1)
  })

  t.test(`${way.name}: a body that comes whole goes through`, async (t) => {
    const target = await upstream(t)
    const { port, records } = await guardedApp({ t, guard: { bodyIdleTimeout: 2_000 }, routes: (app) => { takeBodiesRaw(app); way.route(app, target, () => {}) } })
    const client = new RawClient(port)
    await client.write(head('POST', '/', { 'Transfer-Encoding': 'chunked' }) + chunk('hello'))
    await until(() => target.open === 1, 'upstream has the request')
    await client.write(chunk(', you') + chunk(''))
    await client.until(/upstream got 10/)
    client.fin()
    await client.closed
    t.equal(records.length, 0)
  })
}
