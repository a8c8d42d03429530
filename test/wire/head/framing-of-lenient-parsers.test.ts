import t, { type Test } from 'tap'
import { guardedApp, type GuardedApp } from '../../support/app/guarded-app.js'
import { withoutOption } from '../../support/app/node-options.js'
import { onlyAnswer, RawClient } from '../../support/client/raw-client.js'

t.jobs = 8

const LIMIT = 400

/** How Node is told to be lenient: the second replaces the first. */
const lenient = { insecureHTTPParser: { insecureHTTPParser: true }, httpValidation: { httpValidation: 'insecure' } } as const
const withoutHttpValidation = withoutOption('httpValidation')

function framed (t: Test, http: object, strictFraming = true): Promise<GuardedApp> {
  return guardedApp({
    t,
    guard: { strictFraming, headersTimeout: LIMIT, bodyIdleTimeout: LIMIT, resolution: 50, linger: { timeout: 200 } },
    fastify: { http } as object,
    routes: (app) => {
      app.addContentTypeParser('a/b', (_request, _payload, done) => { done(null) })
      app.all('/', async (request) => {
        let bytes = 0
        for await (const part of request.raw) bytes += (part as Buffer).length
        return { bytes }
      })
    }
  })
}

const post = (...lines: string[]): string => ['POST / HTTP/1.1', 'Host: a', 'Content-Type: a/b', ...lines].join('\r\n') + '\r\n\r\n'
const CHUNKED = 'Transfer-Encoding: chunked'
const BODY = '5\r\nabcde\r\n0\r\n\r\n'

for (const [option, http] of Object.entries(lenient)) {
  const skip = withoutOption(option)

  for (const length of [0, 3, 5]) {
    for (const lines of [[`Content-Length: ${length}`, CHUNKED], [CHUNKED, `Content-Length: ${length}`]]) {
      t.test(`${option}: both framings are refused, and what follows is no request: ${lines.join(', ')}`, { skip }, async (t) => {
        const guarded = await framed(t, http)
        const client = new RawClient(guarded.port)
        await client.write(post(...lines) + BODY + 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
        t.match(onlyAnswer(await client.closed), { statusCode: 400, headers: { connection: 'close' }, json: { code: 'FST_READ_MALFORMED', message: /both Content-Length and Transfer-Encoding/ } })
        t.match(await guarded.recorded(), [{ code: 'FST_READ_MALFORMED', phase: 'headers', statusCode: 400 }])
        t.equal(guarded.records.length, 1)
      })
    }
  }

  t.test(`${option}: without strictFraming the chunks are the body, and its time is limited`, { skip }, async (t) => {
    const guarded = await framed(t, http, false)
    const whole = new RawClient(guarded.port)
    await whole.write(post('Content-Length: 3', CHUNKED, 'Connection: close') + BODY)
    t.match(onlyAnswer(await whole.closed), { statusCode: 200, json: { bytes: 5 } })
    const stalled = new RawClient(guarded.port)
    await stalled.write(post('Content-Length: 0', CHUNKED) + '5\r\nab')
    t.match(onlyAnswer(await stalled.closed), { statusCode: 408, json: { code: 'FST_READ_BODY_IDLE_TIMEOUT' } })
  })
}

for (const httpValidation of ['strict', 'relaxed'] as const) {
  t.test(`httpValidation: '${httpValidation}' has Node refuse both framings, with one record and the answer of the guard`, { skip: withoutHttpValidation }, async (t) => {
    const guarded = await framed(t, { httpValidation })
    const client = new RawClient(guarded.port)
    await client.write(post('Content-Length: 5', CHUNKED) + BODY)
    t.match(onlyAnswer(await client.closed), { statusCode: 400, headers: { connection: 'close' }, json: { code: 'FST_READ_MALFORMED' } })
    t.match(await guarded.recorded(), [{ code: 'FST_READ_MALFORMED', phase: 'headers', statusCode: 400 }])
    t.equal(guarded.records.length, 1)
  })
}

t.test("httpValidation: 'relaxed' lets a control character in a value pass, whose request is served and its body timed", { skip: withoutHttpValidation }, async (t) => {
  const guarded = await framed(t, { httpValidation: 'relaxed' })
  const whole = new RawClient(guarded.port)
  await whole.write(post('X-Odd: a\x01b', 'Content-Length: 5', 'Connection: close') + 'abcde')
  t.match(onlyAnswer(await whole.closed), { statusCode: 200, json: { bytes: 5 } })
  const stalled = new RawClient(guarded.port)
  await stalled.write(post('X-Odd: a\x01b', 'Content-Length: 5') + 'ab')
  t.match(onlyAnswer(await stalled.closed), { statusCode: 408, json: { code: 'FST_READ_BODY_IDLE_TIMEOUT' } })
})

for (const version of ['HTTP/0.9', 'HTTP/2.0', 'HTTP/1.2', 'HTTP/3.0', 'HTTP/9.9']) {
  for (const parser of ['strict', 'lenient'] as const) {
    t.test(`${version} is answered with 505 by a ${parser} parser`, async (t) => {
      const guarded = parser === 'lenient' ? await framed(t, lenient.insecureHTTPParser) : await guardedApp({ t, routes: (app) => { app.get('/', async () => 'ok') } })
      const client = new RawClient(guarded.port)
      await client.write(`GET / ${version}\r\nHost: a\r\n\r\n`)
      t.match(onlyAnswer(await client.closed), { statusCode: 505, json: { statusCode: 505, code: 'FST_READ_MALFORMED', error: 'HTTP Version Not Supported' } })
      t.match(await guarded.recorded(), [{ code: 'FST_READ_MALFORMED', statusCode: 505, phase: 'headers' }])
    })
  }
}

t.test('what is no version at all is answered with 400', async (t) => {
  const guarded = await guardedApp({ t })
  for (const version of ['HTTP/x.y', 'HTTP/1', 'HTCPCP/1.0']) {
    const client = new RawClient(guarded.port)
    await client.write(`GET / ${version}\r\nHost: a\r\n\r\n`)
    t.equal(onlyAnswer(await client.closed).statusCode, 400, version)
  }
})

t.test('HTTP/1.0 is spoken', async (t) => {
  const guarded = await guardedApp({ t, routes: (app) => { app.get('/', async () => 'ok') } })
  const client = new RawClient(guarded.port)
  await client.write('GET / HTTP/1.0\r\n\r\n')
  t.equal(onlyAnswer(await client.closed).statusCode, 200)
  t.same(guarded.records, [])
})
