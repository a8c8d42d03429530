import t, { type Test } from 'tap'
import { guardedApp } from '../support/app/guarded-app.js'
import type { Protocol } from '../support/app/transport.js'
import { Http2Client } from '../support/client/http2-client.js'
import { data, headers, requestBlock } from '../support/client/http2-frames.js'
import { delay, head, parseAnswers, RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'

/*
 * The clock of the calendar is set, back or forth, while reads are under way: limits are kept by another one.
 */

const LIMIT = 600
const HOUR = 3_600_000
const guard = { headersTimeout: LIMIT, bodyIdleTimeout: LIMIT, minBodyRate: { bytesPerSecond: 100, gracePeriod: LIMIT }, responseIdleTimeout: LIMIT, resolution: 20, logLimit: { records: 2, period: 1_000 } }
const type = { 'Content-Type': 'text/plain' }

/** Sets the calendar of this process, so many milliseconds away from the real one. */
function setClock (t: Test, by: number): void {
  const RealDate = Date
  t.teardown(() => { globalThis.Date = RealDate })
  globalThis.Date = class extends RealDate {
    constructor (...given: unknown[]) {
      super(...(given.length === 0 ? [RealDate.now() + by] : given) as [number]) // the overloads of Date
    }

    static override now (): number {
      return RealDate.now() + by
    }
  } as DateConstructor // it is always called by `new`
}

for (const [name, by] of [['back', -HOUR], ['forth', HOUR]] as const) {
  for (const protocol of ['http', 'https', 'h2'] as const satisfies readonly Protocol[]) {
    t.test(`a clock that is set ${name} by an hour ends no client and spares none, over ${protocol}`, async (t) => {
      const guarded = await guardedApp({ t, protocol, guard, routes: (app) => { app.post('/', async ({ body }) => `${String(body).length} bytes`) } })
      const { port } = guarded
      const begun = performance.now()
      let outcome: () => Promise<readonly [stalled: number | undefined, good: string | undefined]>
      if (protocol === 'h2') {
        const client = await new Http2Client(port, { tls: true }).open()
        t.teardown(() => client.raw.socket.destroy())
        const post = (stream: number, length: number): Buffer => headers(stream, requestBlock('POST', '/', { 'content-type': 'text/plain', 'content-length': String(length) }))
        await client.write(post(1, 9), data(1, 'a'), post(3, 300), data(3, 'a'.repeat(100)))
        outcome = async () => {
          for (let sent = 100; sent < 300; sent += 50) {
            await delay(LIMIT / 3)
            await client.write(data(3, 'a'.repeat(50), sent + 50 === 300 ? 1 : 0))
          }
          const [stalled, good] = await Promise.all([client.answer(1), client.answer(3)])
          return [stalled.statusCode, good.body]
        }
      } else {
        const tls = protocol === 'https'
        const [stalled, good] = [new RawClient(port, { tls }), new RawClient(port, { tls })]
        await Promise.all([stalled.ready(), good.ready()])
        await stalled.write(head('POST', '/', { ...type, 'Content-Length': 9 }) + 'a')
        await good.write(head('POST', '/', { ...type, 'Content-Length': 300, Connection: 'close' }) + 'a'.repeat(100))
        outcome = async () => {
          await good.trickle(Array.from({ length: 4 }, () => 'a'.repeat(50)), LIMIT / 3)
          const [{ text: answerOfStalled }, { text: answerOfGood }] = await Promise.all([stalled.closed, good.closed])
          return [parseAnswers(answerOfStalled)[0]?.statusCode, parseAnswers(answerOfGood)[0]?.body]
        }
      }
      await until(() => guarded.app.readGuard.stats().reading.body === 2, 'both bodies are read')
      const real = Date.now()
      setClock(t, by)
      t.strictSame(await outcome(), [408, '300 bytes'])
      const [record] = await guarded.recorded(1)
      t.equal(guarded.records.length, 1)
      t.match(record, { code: 'FST_READ_BODY_IDLE_TIMEOUT' })
      t.ok(record !== undefined && record.elapsed >= LIMIT && record.elapsed <= performance.now() - begun, `${record?.elapsed} ms are counted`)
      const told = Date.parse(record?.time ?? '') - by - real
      t.ok(told >= 0 && told <= 5_000, 'the record has the time of the calendar, as it is by then')
    })
  }
}

t.test('a clock that is set back does not prolong the period of logLimit', async (t) => {
  const { port, log, recorded } = await guardedApp({ t, guard })
  const malformed = async (): Promise<void> => {
    const client = new RawClient(port)
    await client.write('\0\r\n\r\n')
    await client.closed
  }
  for (let i = 0; i < 4; i++) await malformed()
  setClock(t, -HOUR)
  await recorded(4)
  await until(() => log.some((line) => 'abortsSuppressed' in line), 'the summary', 3_000)
  await malformed()
  await until(() => log.filter(({ abort }) => abort !== undefined).length === 3, 'the next period has a line')
})
