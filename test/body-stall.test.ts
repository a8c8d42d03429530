import t from 'tap'
import { observeAll, type Failure } from './support/body-exchange.js'
import { consumers } from './support/consumers.js'
import { expectAnswered } from './support/expect-failed-body.js'
import { head } from './support/raw-client.js'

const LIMIT = 400
const RESOLUTION = 50
const expected = { code: 'FST_READ_BODY_IDLE_TIMEOUT', reason: 'body_idle_timeout', statusCode: 408, due: () => LIMIT, resolution: RESOLUTION } as const

/** A client that declares 400 bytes or more, and sends some of them. */
function stall (name: string, bytes: number): Failure {
  return {
    name,
    guard: { bodyIdleTimeout: LIMIT, resolution: RESOLUTION, linger: { timeout: 300 } },
    send: async (client, { url, headers, body }) => {
      const whole = body(400)
      const begun = head('POST', url, { ...headers, 'Content-Length': whole.length })
      await client.write(Buffer.concat([Buffer.from(begun), whole.subarray(0, bytes)]))
      return { received: bytes, declared: whole.length }
    }
  }
}

t.test('a body that stalls is ended with 408 once it was idle for its limit', async (t) => {
  for (const observation of await observeAll(consumers, stall('a stall', 200))) {
    t.test(observation.consumer.name, async (t) => expectAnswered(t, observation, expected))
  }
})

t.test('so is one of which no byte comes', async (t) => {
  // The long grace has been waited for once.
  const others = consumers.filter(({ fate }) => fate !== 'mute')
  for (const observation of await observeAll(others, stall('silence', 0))) {
    t.test(observation.consumer.name, async (t) => expectAnswered(t, observation, expected))
  }
})
