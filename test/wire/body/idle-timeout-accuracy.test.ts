import t from 'tap'
import { guardedApp } from '../../support/app/guarded-app.js'
import { delay, head, onlyAnswer, RawClient } from '../../support/client/raw-client.js'
import { watchLag } from '../../support/oracle/loop-lag.js'

const LIMIT = 350 // no multiple of the resolution
const RESOLUTION = 100
/** What this process may need beside the time in which it could not run. */
const USUAL_DELAY = 50

for (const [what, bytes] of [['after some bytes', 3], ['before the first byte', 0]] as const) {
  t.test(`the verdict on a body that stalls ${what} comes within one resolution of its limit`, async (t) => {
    const { port } = await guardedApp({
      t,
      guard: { bodyIdleTimeout: LIMIT, resolution: RESOLUTION },
      routes: (app) => { app.post('/', async () => ({})) }
    })
    // Whenever between two looks the request comes.
    await Promise.all(Array.from({ length: 10 }, async (_, i) => {
      const client = new RawClient(port)
      await client.connected()
      await delay(i * RESOLUTION / 10)
      const lag = watchLag()
      const begun = performance.now()
      await client.write(head('POST', '/', { 'Content-Type': 'application/json', 'Content-Length': 10 }) + '{"a"'.slice(0, bytes))
      await client.until(/\r\n\r\n/)
      const elapsed = performance.now() - begun
      const lost = lag()
      t.ok(elapsed >= LIMIT, `${elapsed} ms: not before ${LIMIT} ms`)
      t.ok(elapsed <= LIMIT + RESOLUTION + USUAL_DELAY + lost, `${elapsed} ms: within ${RESOLUTION + USUAL_DELAY} ms of ${LIMIT} ms, with ${lost} ms lost`)
      t.equal(onlyAnswer(await client.closed).statusCode, 408)
    }))
  })
}
