import { PassThrough, type Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import fastify from 'fastify'
import t, { type Test } from 'tap'
import { guardedApp, type GuardedApp } from '../support/app/guarded-app.js'

t.jobs = 8

const LIMIT = 400

interface Told {
  /** What the handlers met that read. */
  readonly met: unknown[]
}

function routes (app: FastifyInstance): Told {
  const met: unknown[] = []
  app.addContentTypeParser('application/octet-stream', (_request, payload, done) => { done(null, payload) })
  app.post('/count', async ({ body }) => {
    let bytes = 0
    try {
      for await (const data of body as Readable) bytes += (data as Buffer).length
    } catch (error) {
      met.push(error)
      throw error
    }
    return { bytes }
  })
  app.post('/echo', { config: { readGuard: { bodyTimeout: LIMIT } } }, ({ body }, reply) => {
    const echo = new PassThrough()
    ;(body as Readable).on('error', (error) => {
      met.push(error)
      echo.destroy(error)
    }).pipe(echo)
    return reply.type('application/octet-stream').send(echo)
  })
  return { met }
}

const guarded = (t: Test): Promise<GuardedApp & Told> => guardedApp<Told>({ t, routes, guard: { bodyIdleTimeout: LIMIT, resolution: 50, linger: { timeout: 200 } } })

/** Ends after its pieces, or never does. */
function body (pieces: readonly string[], { ends }: { readonly ends: boolean }): PassThrough {
  const stream = new PassThrough()
  for (const piece of pieces) stream.write(piece)
  if (ends) stream.end()
  return stream
}

const post = (url: string, payload: Readable) => ({ method: 'POST', url, payload, headers: { 'content-type': 'application/octet-stream' } }) as const

async function text (stream: Readable): Promise<string> {
  let all = ''
  for await (const data of stream) all += String(data)
  return all
}

for (const payloadAsStream of [false, true]) {
  const how = payloadAsStream ? 'as a stream' : 'whole'

  t.test(`a stream that comes to its end is answered with the same bytes as without the guard; the answer is taken ${how}`, async (t) => {
    const { app, records } = await guarded(t)
    const stock = fastify()
    t.teardown(() => stock.close())
    routes(stock)
    for (const url of ['/count', '/echo']) {
      const answers = await Promise.all([app, stock].map(async (of) => {
        const { statusCode, headers: { date, ...headers }, ...response } = await of.inject({ ...post(url, body(['hello', ' world'], { ends: true })), payloadAsStream })
        return { statusCode, headers, text: payloadAsStream ? await text(response.stream()) : response.payload }
      }))
      t.match(answers[0], { statusCode: 200, text: url === '/echo' ? 'hello world' : '{"bytes":11}' })
      t.strictSame(answers[0], answers[1], url)
    }
    t.strictSame(records, [])
  })

  t.test(`a stream that stalls is answered with its code, the handler is told, and there is one record; the answer is taken ${how}`, async (t) => {
    const { app, records, log, met } = await guarded(t)
    const payload = body(['hello'], { ends: false })
    const response = await app.inject({ ...post('/count', payload), payloadAsStream })
    t.match([response.statusCode, JSON.parse(payloadAsStream ? await text(response.stream()) : response.payload)], [408, { code: 'FST_READ_BODY_IDLE_TIMEOUT' }])
    t.match(met, [{ code: 'FST_READ_BODY_IDLE_TIMEOUT' }])
    t.match(records, [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', route: '/count', received: 5, answered: true }])
    t.equal(log.filter(({ abort }) => abort !== undefined).length, 1)
  })
}

t.test('a stream that takes too long while its answer is on its way fails the answer as well, and there is one record', async (t) => {
  const { app, log, met, recorded } = await guarded(t)
  const response = await app.inject({ ...post('/echo', body(['hello'], { ends: false })), payloadAsStream: true })
  t.equal(response.statusCode, 200)
  await t.rejects(text(response.stream()))
  await recorded()
  t.match(met, [{ code: 'FST_READ_BODY_TIMEOUT' }])
  t.match(log.flatMap(({ abort }) => abort ?? []), [{ code: 'FST_READ_BODY_TIMEOUT', route: '/echo', answered: false }])
})

t.test('a stream that fails is a client that left: one record', async (t) => {
  const { app, log, met, recorded } = await guarded(t)
  const payload = body(['hello'], { ends: false })
  const injected = app.inject({ ...post('/count', payload), payloadAsStream: true }).catch((error: unknown) => error)
  setImmediate(() => { payload.destroy(new Error('cut')) })
  await recorded()
  await injected
  t.match(met, [{ code: 'FST_READ_ABORTED' }])
  t.match(log.flatMap(({ abort }) => abort ?? []), [{ code: 'FST_READ_ABORTED', statusCode: 499, answered: false }])
})
