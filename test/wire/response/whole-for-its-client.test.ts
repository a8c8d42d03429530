import t from 'tap'
import { guardedApp, noise } from '../../support/app/guarded-app.js'
import { delay, head, RawClient } from '../../support/client/raw-client.js'
import { deserted } from '../../support/oracle/server-state.js'

/*
 * A client knows the end of its response by `Content-Length`; the application may be told of the end of what it sends (a
 * file, the response of another server) a moment later.
 */

const BODY = 'x'.repeat(10_000)

t.test('a client that leaves with all bytes that its response says it has has not left before it had it', async (t) => {
  const outcomes: number[] = []
  const { app, port, records, log } = await guardedApp({
    guard: { resolution: 50 },
    routes: (app) => {
      app.addHook('onResponse', async (_request, reply) => { outcomes.push(reply.raw.statusCode) })
      app.get('/head-by-node', async (_request, reply) => {
        reply.hijack()
        reply.raw.setHeader('Content-Length', BODY.length)
        reply.raw.write(BODY)
        await delay(300)
        reply.raw.end()
      })
      app.all('/head-by-hand', async (_request, reply) => {
        reply.hijack()
        reply.raw.writeHead(200, { 'content-length': BODY.length }).write(BODY)
        await delay(300)
        reply.raw.end()
      })
      app.get('/fast', async () => 'fast')
    }
  })
  const requests = [
    head('GET', '/head-by-node'),
    head('GET', '/head-by-hand'),
    head('GET', '/fast') + head('GET', '/head-by-hand'),
    head('POST', '/head-by-hand', { 'Content-Type': 'text/plain', 'Content-Length': 2 }) + 'ab'
  ]
  for (const request of requests) {
    const client = new RawClient(port)
    await client.write(request)
    await client.until(/x{10000}$/)
    client.socket.destroy()
    await client.closed
  }
  await deserted(app)
  await delay(400)
  t.strictSame(records, [])
  t.strictSame(outcomes, [200, 200, 200, 200, 200], 'onResponse, once for each')
  t.strictSame(noise(log), [])
  await app.close()
})

t.test('one that leaves with a byte less, or where the response does not say how many there are, has', async (t) => {
  const { app, port, records, recorded } = await guardedApp({
    t,
    guard: { resolution: 50 },
    routes: (app) => {
      app.get('/less', (_request, reply) => {
        reply.hijack()
        reply.raw.writeHead(200, { 'Content-Length': BODY.length + 1 }).write(BODY)
      })
      app.get('/chunked', (_request, reply) => {
        reply.hijack()
        reply.raw.writeHead(200).write(BODY)
      })
    }
  })
  for (const url of ['/less', '/chunked']) {
    for (const before of ['', head('GET', '/missing')]) {
      const client = new RawClient(port)
      await client.write(before + head('GET', url))
      await client.until(/x{10000}(\r\n)?$/)
      const own = client.text.slice(client.text.lastIndexOf('HTTP/1.1 200'))
      client.socket.destroy()
      await client.closed
      await recorded(1)
      await deserted(app)
      t.match(records, [{ code: 'FST_READ_RESPONSE_ABORTED', phase: 'response', url, sent: own.length }])
      records.length = 0
    }
  }
})
