import { PassThrough, Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { guardedApp, noise } from '../../support/app/guarded-app.js'
import { delay, head, parseAnswers, RawClient } from '../../support/client/raw-client.js'
import { until } from '../../support/oracle/until.js'

const LIMIT = 200
/** Longer than any grace. */
const LONG = 2_600

interface Row {
  readonly claim: string
  readonly routes: (app: FastifyInstance, calls: string[]) => void
  readonly statusCode: number | undefined
  readonly code?: string
  readonly answered: boolean
  /** How often the application's error handler is called. */
  readonly handled: number
  /** What the application did, in the end. */
  readonly calls?: readonly string[]
}

const rows: readonly Row[] = [
  {
    claim: 'a hook that outlasts the grace gets no say, and the handler behind it does not run',
    routes: (app, calls) => {
      app.addHook('onRequest', async () => { await delay(LONG); calls.push('hook') })
      app.post('/', async () => { calls.push('handler') })
    },
    statusCode: 408,
    code: 'FST_READ_BODY_IDLE_TIMEOUT',
    answered: true,
    handled: 1,
    calls: ['hook']
  },
  {
    claim: 'what a handler sends when the guard has answered is dropped without a word',
    routes: (app, calls) => {
      app.addContentTypeParser('application/json', (_request, payload, done) => done(null, payload))
      app.post('/', (_request, reply) => {
        delay(LONG).then(() => { reply.send({ late: true }); calls.push('sent') }, () => {})
      })
    },
    statusCode: 408,
    code: 'FST_READ_BODY_IDLE_TIMEOUT',
    answered: true,
    handled: 1,
    calls: ['sent']
  },
  {
    claim: 'a consumer that hears of the failure may give an answer of its own',
    routes: (app) => {
      app.addContentTypeParser('application/json', (_request, payload, done) => done(null, payload))
      app.post('/', async (request, reply) => {
        try {
          await finished(request.raw.resume())
          return {}
        } catch {
          return reply.code(202).send({ partly: true })
        }
      })
    },
    statusCode: 202,
    answered: true,
    handled: 0
  },
  {
    claim: 'a stream that the failed body was to feed is no answer, and is released',
    routes: (app, calls) => {
      app.addContentTypeParser('application/json', (_request, payload, done) => done(null, payload))
      app.post('/', { preHandler: () => delay(LIMIT * 2) }, (request, reply) => {
        const fed = request.raw.pipe(new PassThrough())
        fed.once('close', () => calls.push('released'))
        reply.send(fed)
      })
    },
    statusCode: 408,
    code: 'FST_READ_BODY_IDLE_TIMEOUT',
    answered: true,
    handled: 1,
    calls: ['released']
  },
  {
    claim: 'a stream of the application is its answer',
    routes: (app) => {
      app.addContentTypeParser('application/json', (_request, payload, done) => done(null, payload))
      app.post('/', { preHandler: () => delay(LIMIT * 2) }, async (_request, reply) => reply.code(202).header('content-type', 'application/json').send(Readable.from(['{"own"', ':1}'])))
    },
    statusCode: 202,
    answered: false,
    handled: 0
  },
  {
    claim: 'an error of the application that a slow onError hook holds up stays the answer',
    routes: (app) => {
      app.addContentTypeParser('application/json', (_request, payload, done) => done(null, payload))
      app.addHook('onError', async () => delay(LONG))
      app.post('/', async () => { throw new Error('own') })
    },
    statusCode: 500,
    answered: false,
    handled: 1
  },
  {
    claim: 'half an answer is cut, and not taken for a whole one',
    routes: (app) => {
      app.addContentTypeParser('application/json', (_request, payload, done) => done(null, payload))
      app.post('/', (_request, reply) => {
        const answer = new Readable({ read () {} })
        answer.push('half')
        reply.send(answer)
      })
    },
    statusCode: undefined,
    answered: false,
    handled: 0
  }
]

async function expectRow (t: Test, row: Row): Promise<void> {
  const calls: string[] = []
  const { app, port, records, recorded, handled, log } = await guardedApp({
    // Once an answer has begun, only the time for the whole body runs.
    guard: { ...(row.statusCode === undefined ? { bodyTimeout: LIMIT } : { bodyIdleTimeout: LIMIT }), resolution: 50 },
    routes: (app) => row.routes(app, calls)
  })
  const client = new RawClient(port)
  await client.write(head('POST', '/', { 'Content-Type': 'application/json', 'Content-Length': 10 }) + '{"a"')
  const seen = await client.closed
  await recorded()
  await until(() => calls.length >= (row.calls?.length ?? 0), 'the application has done all it does')
  if (row.statusCode === undefined) {
    t.match(seen.text, /half/)
    t.notMatch(seen.text, /\r\n0\r\n/, 'the last chunk is missing')
  } else {
    const answers = parseAnswers(seen.text)
    t.same(answers.map(({ statusCode }) => statusCode), [row.statusCode], 'exactly one answer')
    if (row.code !== undefined) t.equal(answers[0]?.json['code'], row.code)
    t.equal(answers[0]?.headers['connection'], 'close')
  }
  t.same(calls, row.calls ?? [])
  t.equal(handled.length, row.handled)
  t.equal(records.length, 1, 'exactly one record')
  t.equal(records[0]?.code, row.statusCode === undefined ? 'FST_READ_BODY_TIMEOUT' : 'FST_READ_BODY_IDLE_TIMEOUT')
  t.equal(records[0]?.answered, row.answered)
  // Its own 500 is the application's to log.
  t.same(noise(log).filter(({ err }) => err?.message !== 'own'), [])
  await app.close()
}

t.test('who answers a body that failed', async (t) => {
  t.jobs = rows.length
  for (const row of rows) t.test(row.claim, (t) => expectRow(t, row))
})
