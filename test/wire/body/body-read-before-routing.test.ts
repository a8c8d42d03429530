import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { guardedApp } from '../../support/app/guarded-app.js'
import { chunk, head, onlyAnswer, RawClient } from '../../support/client/raw-client.js'

t.jobs = 4

const LIMIT = 1_000

async function bytesOf (request: IncomingMessage): Promise<number> {
  let bytes = 0
  for await (const part of request) bytes += (part as Buffer).length
  return bytes
}

/** As middleware does that is used before the guard is registered: its requests come to no route. */
function middleware (app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    if (request.url !== '/used') return
    const bytes = await bytesOf(request.raw)
    return reply.send({ bytes })
  })
}

const allowed: Readonly<Record<string, readonly [config: object | undefined, most: number | undefined]>> = {
  'no route says otherwise': [undefined, LIMIT],
  'a route allows less': [{ bodyLimit: 10 }, LIMIT],
  'a route allows more': [{ bodyLimit: 2 * LIMIT }, 2 * LIMIT],
  'a route has no limit': [{ bodyLimit: 0 }, undefined],
  'a route is observed': [{ mode: 'observe' }, undefined]
}

for (const [name, [readGuard, most]] of Object.entries(allowed)) {
  const routes = (app: FastifyInstance): void => {
    app.post('/used', async () => 'never')
    if (readGuard !== undefined) app.post('/other', { config: { readGuard } }, async () => 'other')
  }
  t.test(`a body that a hook before the guard reads has the limit of the plugin, or the largest of a route: ${name}`, async (t) => {
    for (const bytes of [LIMIT, LIMIT + 1, 2 * LIMIT, 2 * LIMIT + 1]) {
      const { port, records } = await guardedApp({ t, guard: { bodyLimit: LIMIT, linger: { timeout: 200 } }, before: middleware, routes })
      const client = new RawClient(port)
      const half = Math.floor(bytes / 2)
      await client.write(head('POST', '/used', { 'Transfer-Encoding': 'chunked', Connection: 'close' }) + chunk('x'.repeat(half)))
      await client.write(chunk('x'.repeat(bytes - half)) + chunk(''))
      const answer = onlyAnswer(await client.closed)
      if (most === undefined || bytes <= most) {
        t.match(answer, { statusCode: 200, json: { bytes } })
        t.strictSame(records, [])
      } else {
        t.match(answer, { statusCode: 413, json: { code: 'FST_READ_BODY_TOO_LARGE' } })
        t.match(records, [{ code: 'FST_READ_BODY_TOO_LARGE', limit: most, answered: true }])
      }
    }
  })
}
