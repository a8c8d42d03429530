import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { guardedApp } from '../../support/app/guarded-app.js'
import { delay, head, onlyAnswer, RawClient } from '../../support/client/raw-client.js'

t.jobs = 8

const TURN = 300
/** Well before any limit, in milliseconds. */
const SOON = 5_000

function routes (app: FastifyInstance): void {
  app.addContentTypeParser('a/b', (_request, _payload, done) => { done(null) })
  app.get('/slow', async () => {
    await delay(TURN)
    return 'slow'
  })
  app.route({
    method: ['GET', 'POST'],
    url: '/destroyed',
    handler: (request, reply) => {
      reply.hijack()
      if (request.headers['x-reads'] !== undefined) request.raw.resume()
      setTimeout(() => { reply.raw.destroy() }, TURN / 3)
    }
  })
}

const post = (headers: Readonly<Record<string, string | number>>, body: string): string => head('POST', '/destroyed', { 'Content-Type': 'a/b', ...headers }) + body

const rows: Readonly<Record<string, string>> = {
  'that has no body': head('GET', '/destroyed'),
  'whose body was read': post({ 'Content-Length': 3, 'X-Reads': 1 }, 'abc'),
  'whose body is not read': post({ 'Content-Length': 400_000 }, 'x'.repeat(400_000)),
  'whose body stalls': post({ 'Content-Length': 9 }, 'abc'),
  'whose body stalls while it is read': post({ 'Content-Length': 9, 'X-Reads': 1 }, 'abc')
}

for (const protocol of ['http', 'https'] as const) {
  for (const [name, bytes] of Object.entries(rows)) {
    t.test(`${protocol}: the connection closes behind the answer before a response that the application has destroyed, of a request ${name}`, async (t) => {
      const { app, port, records } = await guardedApp({ t, protocol, routes })
      const client = new RawClient(port, { tls: protocol === 'https' })
      await client.write(head('GET', '/slow') + bytes)
      const seen = await client.closed
      t.ok(seen.elapsed < SOON, `${seen.elapsed} ms`)
      t.match(onlyAnswer(seen), { statusCode: 200, body: 'slow' })
      t.strictSame(app.readGuard.stats().reading, { handshake: 0, headers: 0, body: 0, response: 0, lingering: 0 })
      t.strictSame(records, [], 'no fault of the client')
    })
  }
}
