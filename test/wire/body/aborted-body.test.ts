import t from 'tap'
import { consumers } from '../../support/app/consumers.js'
import { guardedApp } from '../../support/app/guarded-app.js'
import { chunk, head, RawClient } from '../../support/client/raw-client.js'
import { observeAll, type Failure } from '../../support/oracle/body-exchange.js'
import { expectAnswered, expectLeft } from '../../support/oracle/expect-failed-body.js'
import { until } from '../../support/oracle/until.js'

const RECEIVED = 200
const guard = { linger: { timeout: 300 } }
const left = { code: 'FST_READ_ABORTED', reason: 'client_aborted', statusCode: 499 } as const
const malformed = { code: 'FST_READ_MALFORMED', reason: 'malformed', statusCode: 400 } as const

/** A client that leaves in the middle of its body, once the server has the first half. */
function leave (name: string, how: (client: RawClient) => void): Failure {
  return {
    name,
    guard,
    send: async (client, { fate, url, headers, body }, dispatched) => {
      const whole = body(400)
      const begun = head('POST', url, { ...headers, 'Content-Length': whole.length })
      await client.write(Buffer.concat([Buffer.from(begun), whole.subarray(0, RECEIVED)]))
      await dispatched
      // Who leaves with the answer on its way may not see it.
      if (fate === 'early') await client.until(/\r\n\r\n/)
      how(client)
      return { received: RECEIVED, declared: whole.length }
    }
  }
}

const badChunk: Failure = {
  name: 'bad chunk',
  guard,
  send: async (client, { url, headers, body }) => {
    const half = body(400).toString('latin1').slice(0, RECEIVED)
    await client.write(head('POST', url, { ...headers, 'Transfer-Encoding': 'chunked' }) + chunk(half) + 'zz\r\n')
    return { received: RECEIVED, declared: undefined }
  }
}

const longTrailers: Failure = {
  name: 'long trailers',
  guard,
  send: async (client, { url, headers, body }) => {
    const whole = body(400).toString('latin1')
    await client.write(head('POST', url, { ...headers, 'Transfer-Encoding': 'chunked' }) + chunk(whole) + `0\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`)
    return { received: whole.length, declared: undefined }
  }
}
const tooLong = { code: 'FST_READ_HEADERS_TOO_LARGE', reason: 'headers_too_large', statusCode: 431 } as const

const rows: ReadonlyArray<readonly [claim: string, Failure]> = [
  ['a body that the client ends short fails as aborted, with what was received and declared', leave('FIN', (client) => client.fin())],
  ['a body whose connection is reset fails as aborted, with what was received and declared', leave('RST', (client) => client.rst())]
]

for (const [claim, failure] of rows) {
  t.test(claim, async (t) => {
    for (const observation of await observeAll(consumers, failure)) {
      t.test(observation.consumer.name, async (t) => expectLeft(t, observation, left))
    }
  })
}

t.test('a body with a bad chunk is ended with 400', async (t) => {
  for (const observation of await observeAll(consumers, badChunk)) {
    t.test(observation.consumer.name, async (t) => {
      expectAnswered(t, observation, malformed)
      if (observation.handled[0] !== undefined) t.hasStrict(observation.handled[0].cause, { code: 'HPE_INVALID_CHUNK_SIZE' }, 'the cause is what the parser said')
    })
  }
})

t.test('a body whose trailers are too long is refused as a head would be', async (t) => {
  for (const observation of await observeAll(consumers.slice(0, 1), longTrailers)) {
    t.test(observation.consumer.name, async (t) => expectAnswered(t, observation, tooLong))
  }
})

t.test("who listens to the deprecated 'aborted' is told after those who listen to 'error'", async (t) => {
  const told: string[] = []
  const { port, recorded } = await guardedApp({
    t,
    routes: (app) => {
      app.addContentTypeParser('application/x-stream', (_request, payload, done) => {
        payload.on('aborted', () => told.push('aborted'))
        payload.on('error', (error) => {
          told.push('error')
          done(error)
        })
        payload.resume()
      })
      app.post('/', async () => ({}))
    }
  })
  const client = new RawClient(port)
  await client.write(head('POST', '/', { 'Content-Type': 'application/x-stream', 'Content-Length': 10 }) + 'xx')
  client.fin()
  await recorded()
  await until(() => told.length > 1, 'both are told')
  t.same(told, ['error', 'aborted'])
})
