import t from 'tap'
import { guardedApp } from '../../support/app/guarded-app.js'
import { onlyAnswer, RawClient } from '../../support/client/raw-client.js'

t.jobs = 8

/** Node looks once a second. */
const LOOKS = 1_000

const rows: ReadonlyArray<readonly [given: number | undefined, ours: number, later: number | undefined, expected: number]> = [
  [2_000, 20_000, undefined, 2_000],
  [2_000, 500, undefined, 2_000],
  [120_000, 20_000, undefined, 120_000],
  [undefined, 20_000, 2_000, 2_000],
  [undefined, 20_000, 120_000, 120_000],
  [undefined, 20_000, undefined, 21_000],
  [undefined, 120_000, undefined, 121_000],
  [undefined, 0, undefined, 60_000],
  [0, 20_000, undefined, 0]
]

for (const [given, ours, later, expected] of rows) {
  t.test(`Node's headersTimeout is ${expected}: given ${String(given)}, ours ${ours}, set later ${String(later)}`, async (t) => {
    const { app } = await guardedApp({
      t,
      guard: { headersTimeout: ours },
      fastify: { http: given === undefined ? {} : { headersTimeout: given } } as object,
      routes: (app) => { if (later !== undefined) Object.assign(app.server, { headersTimeout: later }) }
    })
    t.equal((app.server as { headersTimeout?: number }).headersTimeout, expected)
  })
}

t.test('a head that Node ends by the stricter time that it was given is recorded with that', async (t) => {
  const guarded = await guardedApp({ t, fastify: { http: { headersTimeout: 500 } } as object })
  const client = new RawClient(guarded.port)
  await client.write('GET / HT')
  const seen = await client.closed
  t.ok(seen.elapsed >= 500 && seen.elapsed < 500 + 2 * LOOKS + 500, `${seen.elapsed} ms`)
  t.match(onlyAnswer(seen), { statusCode: 408, json: { code: 'FST_READ_HEADERS_TIMEOUT' } })
  t.match(await guarded.recorded(), [{ code: 'FST_READ_HEADERS_TIMEOUT', limit: 500 }])
})
