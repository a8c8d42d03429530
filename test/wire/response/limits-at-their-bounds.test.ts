import t, { type Test } from 'tap'
import type { AbortRecord, ReadGuardOptions } from '../../../lib/index.js'
import { guardedApp, type GuardedAppWith } from '../../support/app/guarded-app.js'
import { responseRoutes, type ResponseFacts } from '../../support/app/response-routes.js'
import { Http2Client } from '../../support/client/http2-client.js'
import { Flag, headers, requestBlock, windowUpdate } from '../../support/client/http2-frames.js'
import { delay, head, RawClient } from '../../support/client/raw-client.js'
import { until } from '../../support/oracle/until.js'

/*
 * A client that takes something just before a limit, and one that takes nothing until it is reached. By the millisecond:
 * `test/unit/response`.
 */

t.jobs = 8

const LIMIT = 600
const BEAT = 20
/** A client that moves so many milliseconds after it was last seen to is in time. */
const JUST_SHORT = LIMIT - 2 * BEAT
/** With less, the window of a client may not open. */
const STEP = 3_000_000
const INITIAL_WINDOW_SIZE = 4

const limits: ReadonlyArray<readonly [name: string, guard: ReadGuardOptions, code: string]> = [
  ['responseIdleTimeout', { responseIdleTimeout: LIMIT, minResponseRate: false }, 'FST_READ_RESPONSE_IDLE_TIMEOUT'],
  // What is taken in one step buys all of the grace period.
  ['minResponseRate', { responseIdleTimeout: 0, minResponseRate: { bytesPerSecond: 1, gracePeriod: LIMIT } }, 'FST_READ_RESPONSE_TOO_SLOW']
]

/** A client that has a response to take, and takes as it is told. */
interface Taker {
  readonly guarded: GuardedAppWith<ResponseFacts>
  /** Takes a little. */
  readonly take: () => Promise<void>
  readonly leave: () => void
}

async function start (t: Test, protocol: 'http' | 'https' | 'h2c' | 'h2', guard: ReadGuardOptions): Promise<GuardedAppWith<ResponseFacts>> {
  return await guardedApp<ResponseFacts>({ t, protocol, guard: { resolution: BEAT, ...guard }, routes: responseRoutes })
}

async function overHttp1 (t: Test, tls: boolean, guard: ReadGuardOptions): Promise<Taker> {
  const guarded = await start(t, tls ? 'https' : 'http', guard)
  const client = new RawClient(guarded.port, { tls })
  client.socket.pause()
  await client.ready()
  await client.write(head('GET', '/endless'))
  const take = async (): Promise<void> => {
    const before = client.text.length
    client.socket.resume()
    await until(() => client.text.length - before >= STEP, 'so much is taken')
    client.socket.pause()
  }
  return { guarded, take, leave: () => { client.socket.destroy() } }
}

async function overHttp2 (t: Test, tls: boolean, guard: ReadGuardOptions): Promise<Taker> {
  const guarded = await start(t, tls ? 'h2' : 'h2c', guard)
  const client = await new Http2Client(guarded.port, { tls, stays: true }).open({ [INITIAL_WINDOW_SIZE]: 0 })
  await client.write(headers(1, requestBlock('GET', '/large'), Flag.END_HEADERS | Flag.END_STREAM))
  return { guarded, take: async () => client.write(windowUpdate(1, 1)), leave: () => { client.raw.socket.destroy() } }
}

function waiting ({ guarded: { app } }: Taker): Promise<void> {
  return until(() => app.readGuard.stats().reading.response === 1, 'it waits')
}

function expectAtLimit (t: Test, record: AbortRecord | undefined, code: string): void {
  t.match(record, { code, phase: 'response', blame: 'client_slow' })
  t.ok(record !== undefined && record.idle >= LIMIT && record.idle <= LIMIT + 10 * BEAT, `${record?.idle} ms after something was last taken`)
}

for (const [protocol, begin, tls] of [['http', overHttp1, false], ['https', overHttp1, true], ['h2c', overHttp2, false], ['h2', overHttp2, true]] as const) {
  for (const [name, guard, code] of limits) {
    t.test(`${protocol}, ${name}: nothing taken is ended at the limit, and not before`, async (t) => {
      const taker = await begin(t, tls, guard)
      await waiting(taker)
      const began = performance.now()
      const [record] = await taker.guarded.recorded()
      t.ok(performance.now() - began > LIMIT - 2 * BEAT, 'not before')
      expectAtLimit(t, record, code)
      taker.leave()
    })

    t.test(`${protocol}, ${name}: a little taken just before the limit, again and again, is not ended; then it is`, async (t) => {
      const taker = await begin(t, tls, guard)
      await waiting(taker)
      for (let times = 0; times < 3; times++) {
        await delay(JUST_SHORT)
        await taker.take()
      }
      t.strictSame(taker.guarded.records, [])
      const [record] = await taker.guarded.recorded()
      expectAtLimit(t, record, code)
      t.ok(record !== undefined && record.elapsed + record.paused >= 3 * JUST_SHORT + LIMIT - 4 * BEAT, `${record?.elapsed} ms in all, and ${record?.paused} not counted`)
      taker.leave()
    })
  }
}
