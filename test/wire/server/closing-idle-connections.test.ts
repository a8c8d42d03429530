import t from 'tap'
import { guardedApp } from '../../support/app/guarded-app.js'
import { delay, head, onlyAnswer, parseAnswers, RawClient } from '../../support/client/raw-client.js'
import { quiet } from '../../support/oracle/server-state.js'
import { until } from '../../support/oracle/until.js'

const LIMIT = 500
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
/** From Node 26.4, a connection on which no request has begun is idle, too. */
const closesFresh = major > 26 || (major === 26 && minor >= 4)

t.test('what Node closes as idle writes no record, and what a client still sends is read to its end', async (t) => {
  const { app, port, records, recorded } = await guardedApp({
    t,
    guard: { headersTimeout: LIMIT, bodyIdleTimeout: LIMIT, resolution: 50, linger: { timeout: 200 } },
    routes: (app) => {
      app.get('/', async () => 'ok')
      app.post('/', async ({ body }) => body)
      app.get('/slow', async () => {
        await delay(LIMIT)
        return 'slow'
      })
    }
  })
  const [fresh, stray, rested, working, stalledHead, stalledBody] = Array.from({ length: 6 }, () => new RawClient(port)) as [RawClient, RawClient, RawClient, RawClient, RawClient, RawClient]
  await Promise.all([fresh, stray, rested, working, stalledHead, stalledBody].map((client) => client.ready()))
  await stray.write('\r\n')
  await rested.write(head('GET', '/'))
  await rested.until(/ok$/)
  await working.write(head('GET', '/slow'))
  await stalledHead.write('GET / HTTP/1.1\r\nHo')
  await stalledBody.write(head('POST', '/', { 'Content-Type': 'application/json', 'Content-Length': 9 }) + '{')
  await until(() => app.readGuard.stats().reading.body === 1 && app.readGuard.stats().reading.headers >= 2, 'all are under way')
  app.server.closeIdleConnections()

  t.match(parseAnswers((await rested.closed).text), [{ statusCode: 200 }])
  if (closesFresh) {
    for (const client of [fresh, stray]) t.equal((await client.closed).text, '')
    t.equal(app.readGuard.stats().aborted.FST_READ_HEADERS_TIMEOUT, undefined)
  } else {
    await fresh.write(head('GET', '/', { Connection: 'close' }))
    t.equal(onlyAnswer(await fresh.closed).statusCode, 200)
    stray.rst()
    await stray.closed
  }
  await working.until(/slow$/)
  t.match(onlyAnswer(await stalledHead.closed), { statusCode: 408, json: { code: 'FST_READ_HEADERS_TIMEOUT' } })
  t.match(onlyAnswer(await stalledBody.closed), { statusCode: 408, json: { code: 'FST_READ_BODY_IDLE_TIMEOUT' } })
  await recorded(2)
  t.strictSame(records.filter(({ blame }) => blame !== 'client_gone').map(({ code }) => code).sort(), ['FST_READ_BODY_IDLE_TIMEOUT', 'FST_READ_HEADERS_TIMEOUT'])
  working.fin()
  await working.closed
  await quiet(app)
})
