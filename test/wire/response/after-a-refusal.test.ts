import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { guardedApp } from '../../support/app/guarded-app.js'
import { RawClient, chunk, delay, head, parseAnswers } from '../../support/client/raw-client.js'
import { until } from '../../support/oracle/until.js'

const json = { 'Content-Type': 'application/json' }
const whole = JSON.stringify('x'.repeat(23))

const refused: Readonly<Record<string, string>> = {
  'a second Host': 'GET /effect HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
  'a second Host, with a body': 'POST /limited HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 4\r\n\r\n"ab"',
  'a declared length over bodyLimit': head('POST', '/limited', { ...json, 'Content-Length': whole.length }) + whole,
  'a chunked body over bodyLimit': head('POST', '/limited', { ...json, 'Transfer-Encoding': 'chunked' }) + chunk(whole) + '0\r\n\r\n',
  'no Content-Length': head('POST', '/measured', { ...json, 'Transfer-Encoding': 'chunked' }) + chunk('"ab"') + '0\r\n\r\n',
  'a length over the bodyLimit of Fastify': head('POST', '/buffered', { ...json, 'Content-Length': 45 }) + JSON.stringify('x'.repeat(43))
}

const next = head('GET', '/effect')

for (const linger of [undefined, false] as const) {
  for (const hold of [0, 20]) {
    t.test(`nothing behind a refusal is handled, ${linger === false ? 'without lingering' : 'by default'}, its answer ${hold === 0 ? 'given at once' : 'held up in a hook'}`, async (t) => {
      for (const [title, request] of Object.entries(refused)) {
        for (const together of [true, false]) {
          let effects = 0
          const { app, port, records } = await guardedApp({
            guard: linger === undefined ? {} : { linger },
            routes: (app: FastifyInstance) => {
              if (hold > 0) app.addHook('onSend', () => delay(hold))
              app.get('/effect', async () => { effects++; return 'handled' })
              app.post('/limited', { config: { readGuard: { bodyLimit: 20 } } }, async () => 'read')
              app.post('/measured', { config: { readGuard: { requireContentLength: true } } }, async () => 'read')
              app.post('/buffered', { bodyLimit: 30 }, async () => 'read')
            }
          })
          const client = new RawClient(port)
          await client.connected()
          await client.write(together ? request + next : request)
          if (!together) await client.write(next)
          const { text } = await client.closed
          t.equal(effects, 0, `${title}, ${together ? 'in one packet' : 'in two'}: no side effect`)
          t.match(parseAnswers(text).map(({ statusCode }) => statusCode), [/^4\d\d$/], 'one answer, the refusal')
          t.equal(records.length, 1, 'one record')
          await app.close()
        }
      }
    })
  }
}

for (const mode of ['enforce', 'observe'] as const) {
  t.test(`a head that the parser refuses gets its answer behind the one that is owed (${mode})`, async (t) => {
    let answer = (): void => {}
    const { app, port, recorded } = await guardedApp({
      guard: { mode },
      routes: (app) => { app.get('/slow', (_request, reply) => { answer = () => { reply.send('slow') } }) }
    })
    t.teardown(() => app.close())
    const client = new RawClient(port)
    await client.write(head('GET', '/slow') + '\0garbage\r\n\r\n')
    await until(() => app.readGuard.stats().reading.lingering === 1, 'the head was refused')
    t.equal(client.text, '')
    answer()
    const { text } = await client.closed
    t.same(parseAnswers(text).map(({ statusCode, body }) => statusCode === 200 ? body : statusCode), ['slow', 400])
    t.match(await recorded(), [{ code: 'FST_READ_MALFORMED', statusCode: 400, answered: true }])
  })
}

t.test('a clientErrorHandler answers behind the answer that is owed, too', async (t) => {
  let answer = (): void => {}
  const { app, port, recorded } = await guardedApp({
    fastify: { clientErrorHandler: (_error, socket) => { socket.end('HTTP/1.1 400 Mine\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmine') } },
    routes: (app) => { app.get('/slow', (_request, reply) => { answer = () => { reply.send('slow') } }) }
  })
  t.teardown(() => app.close())
  const client = new RawClient(port)
  await client.write(head('GET', '/slow') + '\0garbage\r\n\r\n')
  await until(() => app.readGuard.stats().reading.lingering === 1, 'the head was refused')
  answer()
  const { text } = await client.closed
  t.same(parseAnswers(text).map(({ body }) => body), ['slow', 'mine'])
  t.match(await recorded(), [{ code: 'FST_READ_MALFORMED', answered: true }])
})
