import t, { type Test } from 'tap'
import { guardedApp, type GuardedApp } from '../../support/app/guarded-app.js'
import { withoutOption } from '../../support/app/node-options.js'
import { chunk, head, onlyAnswer, parseAnswers, RawClient } from '../../support/client/raw-client.js'
import { until } from '../../support/oracle/until.js'

t.jobs = 8

const LIMIT = 400
const close = { Connection: 'close' }

/** Of the Node that has it: a request without a body is at its end, and closed, before anybody is told of it. */
const skip = withoutOption('optimizeEmptyRequests')

interface Facts {
  readonly reasons: unknown[]
  readonly waiting: () => number
}

function optimizing (t: Test): Promise<GuardedApp & Facts> {
  return guardedApp<Facts>({
    t,
    guard: { headersTimeout: LIMIT, bodyIdleTimeout: LIMIT, resolution: 50, linger: { timeout: 200 } },
    fastify: { http: { optimizeEmptyRequests: true } } as object,
    routes: (app) => {
      let waiting = 0
      const reasons: unknown[] = []
      app.all('/', async ({ body, readGuard: { phase, received, expected } }) => ({ body: body ?? null, phase, received, expected }))
      app.addContentTypeParser('a/b', (_request, _payload, done) => { done(null) })
      app.all('/raw', async (request) => ({ bytes: await request.readRawBody() }))
      app.all('/text', async (request) => ({ text: await request.readRawBody({ encoding: true }) }))
      app.get('/wait', ({ readGuard: { signal } }) => {
        signal.addEventListener('abort', () => { reasons.push(signal.reason) })
        waiting++
        return new Promise(() => {})
      })
      return { reasons, waiting: () => waiting }
    }
  })
}

t.test('a request without a body is answered, and the next on its connection', { skip }, async (t) => {
  const { port, records } = await optimizing(t)
  const client = new RawClient(port)
  await client.write(head('GET', '/') + head('POST', '/') + head('GET', '/raw', close))
  const answers = parseAnswers((await client.closed).text)
  t.strictSame(answers.map(({ statusCode }) => statusCode), [200, 200, 200])
  t.match(answers[0]?.json, { phase: 'handler', received: 0 })
  t.strictSame(records, [])
})

t.test('readRawBody() of a request without a body is empty', { skip }, async (t) => {
  const { port, records } = await optimizing(t)
  for (const method of ['GET', 'POST', 'DELETE']) {
    for (const [url, json] of [['/raw', { bytes: { type: 'Buffer', data: [] } }], ['/text', { text: '' }]] as const) {
      const client = new RawClient(port)
      await client.write(head(method, url, close))
      t.match(onlyAnswer(await client.closed), { statusCode: 200, json }, `${method} ${url}`)
    }
  }
  t.strictSame(records, [])
})

t.test('a body is read as ever', { skip }, async (t) => {
  const { port, records } = await optimizing(t)
  for (const [headers, body, text] of [[{ 'Content-Length': 5 }, 'hello', 'hello'], [{ 'Transfer-Encoding': 'chunked' }, chunk('hello') + chunk(''), 'hello'], [{ 'Content-Length': 0 }, '', '']] as const) {
    const client = new RawClient(port)
    await client.write(head('POST', '/text', { 'Content-Type': 'a/b', ...headers, ...close }) + body)
    t.match(onlyAnswer(await client.closed), { statusCode: 200, json: { text } })
  }
  t.strictSame(records, [])
})

t.test('a body that stalls is answered, and a head', { skip }, async (t) => {
  const { port, recorded } = await optimizing(t)
  const [body, stalledHead] = [new RawClient(port), new RawClient(port)]
  await body.write(head('POST', '/', { 'Content-Type': 'application/json', 'Content-Length': 9 }) + '{')
  await stalledHead.write('GET / HTTP/1.1\r\nHo')
  t.match(onlyAnswer(await body.closed), { statusCode: 408, json: { code: 'FST_READ_BODY_IDLE_TIMEOUT' } })
  t.match(onlyAnswer(await stalledHead.closed), { statusCode: 408, json: { code: 'FST_READ_HEADERS_TIMEOUT' } })
  t.strictSame((await recorded(2)).map(({ code }) => code).sort(), ['FST_READ_BODY_IDLE_TIMEOUT', 'FST_READ_HEADERS_TIMEOUT'])
})

t.test('a client that leaves while the handler works has its record, and the signal its reason', { skip }, async (t) => {
  const { port, recorded, reasons, waiting } = await optimizing(t)
  const client = new RawClient(port)
  await client.write(head('GET', '/wait'))
  await until(() => waiting() === 1, 'the handler')
  client.rst()
  t.match(await recorded(), [{ code: 'FST_READ_RESPONSE_ABORTED', phase: 'handler', route: '/wait', statusCode: 499 }])
  t.match(reasons, [{ code: 'FST_READ_RESPONSE_ABORTED' }])
})
