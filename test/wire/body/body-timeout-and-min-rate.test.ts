import t from 'tap'
import type { ReadGuardOptions } from '../../../lib/index.js'
import { observeAll, type Failure } from '../../support/oracle/body-exchange.js'
import { consumers } from '../../support/app/consumers.js'
import { expectAnswered, type Expected } from '../../support/oracle/expect-failed-body.js'
import { chunk, head } from '../../support/client/raw-client.js'

const RESOLUTION = 50
const PAUSE = 25
const GRACE = 200
const PER_SECOND = 100
const answered = { statusCode: 408, resolution: RESOLUTION } as const

/** A client that has begun, and goes on with one piece at a time for longer than every limit. */
function trickle (name: string, guard: ReadGuardOptions, begun: (body: string) => string, piece: (body: string, i: number) => string, received?: number): Failure {
  return {
    name,
    guard: { resolution: RESOLUTION, linger: { timeout: 300 }, ...guard },
    send: async (client, { url, headers, body }) => {
      const whole = body(600).toString('latin1')
      await client.write(head('POST', url, { ...headers, 'Transfer-Encoding': 'chunked' }) + begun(whole))
      client.trickle(Array.from({ length: 200 }, (_, i) => piece(whole, i + 1)), PAUSE).catch(() => {}) // it goes on until the connection is closed
      return { received, declared: undefined }
    }
  }
}

const byByte = { begun: (body: string) => chunk(body.slice(0, 1)), piece: (body: string, i: number) => chunk(body.slice(i, i + 1)) }

const rows: ReadonlyArray<readonly [claim: string, Failure, Expected]> = [
  [
    'a body that trickles below its minimum rate is ended with 408 once its grace is used up',
    trickle('below the rate', { bodyIdleTimeout: 0, minBodyRate: { bytesPerSecond: PER_SECOND, gracePeriod: GRACE } }, byByte.begun, byByte.piece),
    // What comes first, and be it three bytes at once on a busy machine, can't add to the grace; every later byte adds its own time.
    { ...answered, code: 'FST_READ_BODY_TOO_SLOW', reason: 'body_too_slow', due: ({ received }) => GRACE + (received - 3) * 1_000 / PER_SECOND }
  ],
  [
    'a body that trickles within every rate is ended with 408 after its total',
    trickle('beyond the total', { bodyTimeout: 400, bodyIdleTimeout: 200 }, byByte.begun, byByte.piece),
    { ...answered, code: 'FST_READ_BODY_TIMEOUT', reason: 'body_timeout', due: () => 400 }
  ],
  [
    'chunk extensions are no progress: a body of which only they come is ended with 408 as idle',
    trickle('extensions', { bodyIdleTimeout: 400 }, (body) => chunk(body.slice(0, 3)) + '4;', () => 'x', 3),
    { ...answered, code: 'FST_READ_BODY_IDLE_TIMEOUT', reason: 'body_idle_timeout', due: () => 400 }
  ],
  [
    'trailers are no progress: a body of which only they come is ended with 408 as idle',
    trickle('trailers', { bodyIdleTimeout: 400 }, (body) => chunk(body.slice(0, 3)) + '0\r\nX: ', () => 'x', 3),
    { ...answered, code: 'FST_READ_BODY_IDLE_TIMEOUT', reason: 'body_idle_timeout', due: () => 400 }
  ]
]

// The long grace of who never answers has been waited for elsewhere.
const patient = consumers.filter(({ fate }) => fate !== 'mute')

for (const [claim, failure, expected] of rows) {
  t.test(claim, async (t) => {
    for (const observation of await observeAll(patient, failure)) {
      t.test(observation.consumer.name, async (t) => expectAnswered(t, observation, expected))
    }
  })
}
