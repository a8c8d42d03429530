import { Readable } from 'node:stream'
import t from 'tap'
import type { Consumer } from '../../support/app/consumer.js'
import { consumers } from '../../support/app/consumers.js'
import { expectAnswered, expectLeft, type Expected } from '../../support/oracle/expect-failed-body.js'
import { observeInjected, type InjectedFailure } from '../../support/oracle/injected-body.js'
import { delay } from '../../support/client/raw-client.js'

const LIMIT = 400
const RESOLUTION = 50
const guard = { bodyIdleTimeout: LIMIT, resolution: RESOLUTION }
const simulate = { end: true, split: false, error: false, close: false }
const idle: Expected = { code: 'FST_READ_BODY_IDLE_TIMEOUT', reason: 'body_idle_timeout', statusCode: 408, due: () => LIMIT, resolution: RESOLUTION }
const tooLarge: Expected = { code: 'FST_READ_BODY_TOO_LARGE', reason: 'body_too_large', statusCode: 413 }
const mismatch: Expected = { code: 'FST_READ_LENGTH_MISMATCH', reason: 'length_mismatch', statusCode: 400 }

/** Of an injected body only as much comes as is asked for: who does not read it does not wait for it. */
const waiting = consumers.filter(({ fate }) => fate !== 'mute' && fate !== 'own')
/** Who starts late, and whose errors light-my-request hears (which makes the grace the long one), is waited for once. */
const prompt = waiting.filter(({ fate }) => fate !== 'untold' && fate !== 'late')
const reading = prompt.filter(({ fate }) => fate !== 'early')

function opened (...chunks: readonly Uint8Array[]): Readable {
  const payload = new Readable({ read () {} })
  for (const chunk of chunks) if (chunk.length > 0) payload.push(chunk)
  return payload
}

function whole (...chunks: readonly Uint8Array[]): Readable {
  const payload = opened(...chunks)
  payload.push(null)
  return payload
}

const half = ({ body }: Consumer): Buffer => body(400).subarray(0, 200)

const rows: ReadonlyArray<readonly [claim: string, readonly Consumer[], InjectedFailure, Expected]> = [
  [
    'an injected stream that stalls is ended with 408 once it was idle for its limit',
    waiting,
    { guard, payload: (consumer) => ({ payload: opened(half(consumer)), sent: { received: 200, declared: undefined } }) },
    idle
  ],
  [
    'an injected stream of which no byte comes is ended with 408',
    prompt,
    { guard, payload: () => ({ payload: opened(), sent: { received: 0, declared: undefined } }) },
    idle
  ],
  [
    'an injected body that simulates no end is ended with 408',
    prompt,
    {
      guard,
      payload: (consumer) => ({
        payload: half(consumer),
        headers: { 'content-length': '400' },
        simulate: { ...simulate, end: false },
        sent: { received: 200, declared: 400 }
      })
    },
    idle
  ],
  [
    'an injected body that is declared too large is refused with 413',
    prompt,
    {
      guard: { bodyLimit: 300 },
      payload: ({ body }) => {
        const payload = body(400)
        return { payload, sent: { received: 0, declared: payload.length } }
      }
    },
    { ...tooLarge, refused: true }
  ],
  [
    'an injected stream that becomes too large is ended with 413',
    prompt,
    { guard: { bodyLimit: 300 }, payload: ({ body }) => ({ payload: opened(body(400)), sent: { received: undefined, declared: undefined } }) },
    tooLarge
  ],
  [
    'an injected stream that ends before its Content-Length is a mismatch',
    prompt,
    { guard, payload: (consumer) => ({ payload: whole(half(consumer)), headers: { 'content-length': '400' }, sent: { received: 200, declared: 400 } }) },
    mismatch
  ],
  [
    'an injected stream that goes on after its Content-Length is a mismatch',
    prompt,
    { guard, payload: ({ body }) => ({ payload: opened(body(400)), headers: { 'content-length': '300' }, sent: { received: undefined, declared: 300 } }) },
    mismatch
  ]
]

for (const [claim, concerned, failure, expected] of rows) {
  t.test(claim, async (t) => {
    const { due, ...always } = expected
    for (const observation of await observeInjected(concerned, failure)) {
      const { name, fate } = observation.consumer
      // Time begins when somebody asks for bytes.
      t.test(name, async (t) => expectAnswered(t, observation, fate === 'told' ? expected : always))
    }
  })
}

t.test('an injected stream that fails is a client that left', async (t) => {
  const failure: InjectedFailure = {
    guard,
    payload: (consumer) => {
      const payload = opened(half(consumer))
      delay(50).then(() => payload.destroy(new Error('gone')), () => {})
      return { payload, sent: { received: undefined, declared: undefined } }
    }
  }
  for (const observation of await observeInjected(consumers, failure)) {
    t.test(observation.consumer.name, async (t) => {
      expectLeft(t, observation, { code: 'FST_READ_ABORTED', reason: 'client_aborted', statusCode: 499, says: 'request errored' })
      const [error] = observation.handled
      if (error !== undefined) t.equal((error.cause as Error).message, 'gone', 'the cause is what the stream said')
    })
  }
})

t.test('an injected body that comes in two pieces is no failure', async (t) => {
  for (const { consumer, answers, records, hanging } of await observeInjected(reading, {
    guard: { ...guard, bodyLimit: 1_000 },
    payload: ({ body }) => ({ payload: body(400), simulate: { ...simulate, split: true }, sent: { received: 400, declared: 400 } })
  })) {
    t.same(answers.map(({ statusCode }) => statusCode), [consumer.statusCode ?? 200], consumer.name)
    t.same(records, [])
    t.same(hanging, [])
  }
})

for (const [what, end] of [['and an end', true], ['and no end', false]] as const) {
  t.test(`an error that inject() simulates ${what} reaches the consumer as it is, and is no failed read`, async (t) => {
    for (const { consumer, answers, handled, records, hanging } of await observeInjected(reading, {
      guard,
      payload: (consumer) => ({ payload: half(consumer), simulate: { ...simulate, error: true, end }, sent: { received: 200, declared: 200 } })
    })) {
      t.equal(answers.length, 1, consumer.name)
      t.equal(handled.length, 1)
      t.same(records, [])
      t.same(hanging, [])
    }
  })
}
