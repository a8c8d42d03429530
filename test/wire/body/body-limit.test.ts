import t from 'tap'
import { consumers } from '../../support/app/consumers.js'
import { guardedApp } from '../../support/app/guarded-app.js'
import { chunk, head, onlyAnswer, RawClient } from '../../support/client/raw-client.js'
import { observeAll, type Failure } from '../../support/oracle/body-exchange.js'
import { expectAnswered, type Expected } from '../../support/oracle/expect-failed-body.js'

const LIMIT = 1_000
const tooLarge = { code: 'FST_READ_BODY_TOO_LARGE', reason: 'body_too_large', statusCode: 413 } as const
const buffering = consumers.filter(({ buffers, fate }) => buffers && fate !== 'early')

const limits = {
  ours: { guard: { bodyLimit: LIMIT, linger: { timeout: 300 } } },
  fastifys: { guard: { linger: { timeout: 300 } }, fastify: { bodyLimit: LIMIT } }
} satisfies Record<string, Pick<Failure, 'guard' | 'fastify'>>

/** A client that declares more than the limit, and sends it. */
const declared: Pick<Failure, 'send'> = {
  send: async (client, { url, headers, body }) => {
    const whole = body(LIMIT + 500)
    await client.write(Buffer.concat([Buffer.from(head('POST', url, { ...headers, 'Content-Length': whole.length })), whole]))
    return { received: undefined, declared: whole.length }
  }
}

/** A client that sends more than the limit in three chunks, and goes on after that. */
const chunked: Pick<Failure, 'send'> = {
  send: async (client, { url, headers, body }) => {
    const whole = body(LIMIT + 2_000).toString('latin1')
    const chunks = [0, 500, 1_000].map(at => chunk(whole.slice(at, at + 500)))
    await client.write(head('POST', url, { ...headers, 'Transfer-Encoding': 'chunked' }) + chunks.join(''))
    return { received: 1_500, declared: undefined }
  }
}

const rows: ReadonlyArray<readonly [claim: string, typeof consumers, Failure, Expected]> = [
  [
    "a body that is declared larger than the guard's limit is refused with 413 before anybody sees it",
    consumers,
    { name: 'declared', ...limits.ours, ...declared },
    { ...tooLarge, refused: true }
  ],
  [
    "a body that becomes larger than the guard's limit is ended with 413, whoever consumes it",
    consumers,
    { name: 'chunked', ...limits.ours, ...chunked },
    tooLarge
  ],
  [
    "a body that is declared larger than Fastify's limit keeps Fastify's code towards the client, and is recorded as ours",
    buffering,
    { name: "declared, Fastify's", ...limits.fastifys, ...declared },
    { ...tooLarge, seenAs: 'FST_ERR_CTP_BODY_TOO_LARGE' }
  ],
  [
    "a body that becomes larger than Fastify's limit keeps Fastify's code towards the client, and is recorded as ours",
    buffering,
    { name: "chunked, Fastify's", ...limits.fastifys, ...chunked },
    { ...tooLarge, seenAs: 'FST_ERR_CTP_BODY_TOO_LARGE' }
  ]
]

for (const [claim, concerned, failure, expected] of rows) {
  t.test(claim, async (t) => {
    for (const observation of await observeAll(concerned, failure)) {
      t.test(observation.consumer.name, async (t) => expectAnswered(t, observation, expected))
    }
  })
}

t.test('a body of exactly the limit is not too large, one more byte is', async (t) => {
  const { port, records } = await guardedApp({
    t,
    ...limits.ours,
    routes: (app) => { app.post('/', async (request) => ({ bytes: String(request.body).length })) }
  })
  for (const [size, statusCode] of [[LIMIT - 1, 200], [LIMIT, 200], [LIMIT + 1, 413]] as const) {
    for (const framing of [{ 'Content-Length': size }, { 'Transfer-Encoding': 'chunked' }]) {
      const client = new RawClient(port)
      const body = 'x'.repeat(size)
      const framed = 'Content-Length' in framing ? body : chunk(body.slice(0, LIMIT)) + (size > LIMIT ? chunk(body.slice(LIMIT)) : '') + '0\r\n\r\n'
      await client.write(head('POST', '/', { 'Content-Type': 'text/plain', Connection: 'close', ...framing } as Record<string, string | number>) + framed)
      t.equal(onlyAnswer(await client.closed).statusCode, statusCode, `${size} bytes`)
    }
  }
  t.same(records.map(({ received, expected, limit }) => [received, expected, limit]), [[0, LIMIT + 1, LIMIT], [LIMIT + 1, undefined, LIMIT]])
})
