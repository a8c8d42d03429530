import { once } from 'node:events'
import { Writable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import t from 'tap'
import { guardedApp } from '../../support/app/guarded-app.js'
import { RawClient, chunk, head, onlyAnswer } from '../../support/client/raw-client.js'

/** Ways in which an error handler throws away what is left of a request before it answers. */
const drains: Readonly<Record<string, (request: FastifyRequest) => Promise<unknown>>> = {
  'for await': async ({ raw }) => { for await (const bytes of raw) if (bytes.length === 0) break },
  "'end'": async ({ raw }) => {
    raw.resume()
    if (!raw.readableEnded) await once(raw, 'end')
  },
  finished: async ({ raw }) => {
    raw.resume()
    await finished(raw)
  },
  pipeline: ({ raw }) => pipeline(raw, new Writable({ write: (_bytes, _encoding, done) => done() }))
}

const json = { 'Content-Type': 'application/json' }
const whole = JSON.stringify('x'.repeat(18))

/** What is refused before it is read, by the guard and by Fastify itself. */
const refusals: ReadonlyArray<readonly [title: string, statusCode: number, request: string]> = [
  ['413 for a declared length', 413, head('POST', '/limited', { ...json, 'Content-Length': whole.length }) + whole],
  ['413 for a declared length, of a body that stalls', 413, head('POST', '/limited', { ...json, 'Content-Length': whole.length }) + '"'],
  ['411', 411, head('POST', '/measured', { ...json, 'Transfer-Encoding': 'chunked' }) + chunk(whole) + '0\r\n\r\n'],
  ['413 of Fastify, declared', 413, head('POST', '/buffered', { ...json, 'Content-Length': whole.length }) + whole],
  ['413 of Fastify, declared, of a body that stalls', 413, head('POST', '/buffered', { ...json, 'Content-Length': whole.length }) + '"'],
  ['413 of Fastify, received', 413, head('POST', '/buffered', { ...json, 'Transfer-Encoding': 'chunked' }) + chunk(whole) + '0\r\n\r\n']
]

function routes (app: FastifyInstance): void {
  app.post('/limited', { config: { readGuard: { bodyLimit: 10 } } }, async ({ body }) => body)
  app.post('/measured', { config: { readGuard: { requireContentLength: true } } }, async ({ body }) => body)
  app.post('/buffered', { bodyLimit: 10 }, async ({ body }) => body)
}

for (const [how, drain] of Object.entries(drains)) {
  t.test(`an error handler that drains the request by ${how} gives its answer`, async (t) => {
    for (const [title, statusCode, request] of refusals) {
      await t.test(title, async (t) => {
        const { app, port, records } = await guardedApp({
          routes: async (app) => {
            await app.register(async (scope) => {
              scope.setErrorHandler(async (error: { statusCode: number, code: string }, request, reply) => {
                await drain(request)
                return reply.code(error.statusCode).send({ mine: error.code })
              })
              routes(scope)
            })
          }
        })
        t.teardown(() => app.close())
        const client = new RawClient(port)
        await client.write(request)
        const answer = onlyAnswer(await client.closed)
        t.equal(answer.statusCode, statusCode)
        t.match(answer.json, { mine: /^FST_/ })
        t.equal(records.length, 1)
        t.match(records[0], { statusCode, answered: true })
      })
    }
  })
}
