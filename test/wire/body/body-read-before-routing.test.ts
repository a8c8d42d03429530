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

/** As middleware does that is used before the guard is registered. */
function middleware (app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    const bytes = await bytesOf(request.raw)
    return reply.send({ bytes })
  })
}

const allowed: Readonly<Record<string, readonly [config: object, most: number | undefined]>> = {
  'has that of the plugin': [{}, LIMIT],
  'has a smaller one': [{ bodyLimit: 10 }, 10],
  'has a larger one': [{ bodyLimit: 2 * LIMIT }, 2 * LIMIT],
  'has none': [{ bodyLimit: 0 }, undefined],
  'is observed': [{ mode: 'observe' }, undefined]
}

for (const [name, [readGuard, most]] of Object.entries(allowed)) {
  const routes = (app: FastifyInstance): void => {
    app.post('/used', { config: { readGuard } }, async () => 'never')
    app.post('/other', { config: { readGuard: { bodyLimit: 3 * LIMIT } } }, async () => 'other')
  }
  t.test(`a body that a hook before the guard reads has the limit of its route, which ${name}`, async (t) => {
    for (const bytes of [10, 11, LIMIT, LIMIT + 1, 2 * LIMIT, 2 * LIMIT + 1]) {
      const { port, records } = await guardedApp({ t, guard: { bodyLimit: LIMIT, linger: { timeout: 200 } }, before: middleware, routes })
      const client = new RawClient(port)
      const half = Math.floor(bytes / 2)
      await client.write(head('POST', '/used', { 'Transfer-Encoding': 'chunked', Connection: 'close' }) + chunk('x'.repeat(half)))
      await client.write(chunk('x'.repeat(bytes - half)) + chunk(''))
      const answer = onlyAnswer(await client.closed)
      if (most === undefined || bytes <= most) {
        t.match(answer, { statusCode: 200, json: { bytes } })
        t.strictSame(records.filter(({ observed }) => !observed), [])
      } else {
        t.match(answer, { statusCode: 413, json: { code: 'FST_READ_BODY_TOO_LARGE' } })
        t.match(records, [{ code: 'FST_READ_BODY_TOO_LARGE', limit: most, answered: true, route: '/used' }])
      }
    }
  })
}
