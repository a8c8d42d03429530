import t from 'tap'
import { observeAll, type Failure, type Limits } from '../../support/oracle/body-exchange.js'
import { consumers } from '../../support/app/consumers.js'
import { expectAnswered } from '../../support/oracle/expect-failed-body.js'
import { chunk, head } from '../../support/client/raw-client.js'

const LIMIT = 400
const RESOLUTION = 50
const expected = { code: 'FST_READ_BODY_IDLE_TIMEOUT', reason: 'body_idle_timeout', statusCode: 408, due: () => LIMIT, resolution: RESOLUTION } as const

/** The long grace of who never answers is waited for once. */
const patient = consumers.filter(({ fate }) => fate !== 'mute')

/** A client that declares 400 bytes or more, and sends some of them. */
function stall (name: string, bytes: number, limits: Limits = { guard: { bodyIdleTimeout: LIMIT } }): Failure {
  return {
    name,
    ...limits,
    guard: { resolution: RESOLUTION, linger: { timeout: 300 }, ...limits.guard },
    send: async (client, { url, headers, body }) => {
      const whole = body(400)
      const begun = head('POST', url, { ...headers, 'Content-Length': whole.length })
      await client.write(Buffer.concat([Buffer.from(begun), whole.subarray(0, bytes)]))
      return { received: bytes, declared: whole.length }
    }
  }
}

t.test('a body that comes whole is no failure, whoever consumes it', async (t) => {
  const whole: Failure = {
    name: 'none',
    guard: { bodyIdleTimeout: LIMIT, resolution: RESOLUTION },
    send: async (client, { url, headers, body }) => {
      await client.write(head('POST', url, { ...headers, 'Transfer-Encoding': 'chunked' }) + chunk(body(400).toString('latin1')) + '0\r\n\r\n')
      await client.until(/\}$/)
      client.fin()
      return { received: 400, declared: undefined }
    }
  }
  for (const { consumer, answers, records, handled, noise, hanging } of await observeAll(patient, whole)) {
    t.same(answers.map(({ statusCode }) => statusCode), [consumer.statusCode ?? 200], consumer.name)
    t.same([...records, ...handled, ...noise, ...hanging], [])
  }
})

t.test('a body that stalls is ended with 408 once it was idle for its limit', async (t) => {
  for (const observation of await observeAll(consumers, stall('a stall', 200))) {
    t.test(observation.consumer.name, async (t) => expectAnswered(t, observation, expected))
  }
})

t.test('so is one of which no byte comes', async (t) => {
  for (const observation of await observeAll(patient, stall('silence', 0))) {
    t.test(observation.consumer.name, async (t) => expectAnswered(t, observation, expected))
  }
})

t.test("a body that outlasts Fastify's requestTimeout is ended with 408 as well, and not by Node", async (t) => {
  // Node's timer counts the time in which this process could not run, the head's included.
  const requestTimeout = 1_500
  const limits = { guard: {}, fastify: { requestTimeout, http: { connectionsCheckingInterval: RESOLUTION } } }
  for (const observation of await observeAll(patient, stall('requestTimeout', 200, limits))) {
    t.test(observation.consumer.name, async (t) => {
      expectAnswered(t, observation, { code: 'FST_READ_BODY_TIMEOUT', reason: 'body_timeout', statusCode: 408 })
      const [record] = observation.records
      if (record !== undefined) t.equal(record.limit, requestTimeout)
    })
  }
})
