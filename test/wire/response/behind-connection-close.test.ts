import t from 'tap'
import { guardedApp } from '../../support/app/guarded-app.js'
import { delay, head, onlyAnswer, parseAnswers, RawClient } from '../../support/client/raw-client.js'

const last = {
  'a request without a body': head('GET', '/slow', { Connection: 'close' }),
  'one with a body': head('POST', '/slow', { Connection: 'close', 'Content-Type': 'text/plain', 'Content-Length': 3 }) + 'abc',
  'one whose body is not read': head('POST', '/unread', { Connection: 'close', 'Content-Type': 'text/plain', 'Content-Length': 3 }) + 'abc',
  'one of HTTP/1.0': 'GET /slow HTTP/1.0\r\n\r\n'
}

for (const linger of [undefined, false] as const) {
  t.test(`what comes behind a request that is to be the last is no request and no failed read${linger === false ? ', without lingering' : ''}`, async (t) => {
    let effects = 0
    const { app, port, records } = await guardedApp({
      guard: linger === undefined ? {} : { linger },
      routes: (app) => {
        app.addHook('onRequest', async (request, reply) => {
          if (request.url === '/unread') return reply.send('unread')
        })
        app.post('/unread', async () => '')
        app.route({ method: ['GET', 'POST'], url: '/slow', handler: (_request, reply) => { setTimeout(() => reply.send('slow'), 30) } })
        app.get('/effect', async () => { effects++ })
      }
    })
    t.teardown(() => app.close())
    for (const [title, request] of Object.entries(last)) {
      for (const behind of [head('GET', '/effect'), 'neither head nor body', 'x']) {
        for (const together of [true, false]) {
          const client = new RawClient(port)
          await client.connected()
          await client.write(together ? request + behind : request)
          if (!together) await client.write(behind)
          const seen = await client.closed
          t.equal(onlyAnswer(seen).statusCode, 200, `${title}, then ${JSON.stringify(behind.slice(0, 9))}, ${together ? 'in one packet' : 'in two'}: one answer`)
          t.equal(seen.end, 'FIN')
        }
      }
    }
    t.equal(effects, 0)
    t.strictSame(records, [], 'no record')
  })
}

t.test('bytes that are none of HTTP get no answer behind one that says that it is the last', async (t) => {
  const { app, port, recorded } = await guardedApp({
    routes: (app) => {
      app.route({ method: ['GET', 'POST'], url: '/last', handler: (_request, reply) => { setTimeout(() => reply.header('connection', 'close').send('last'), 30) } })
    }
  })
  const requests = [head('GET', '/last'), head('POST', '/last', { 'Content-Type': 'text/plain', 'Content-Length': 3 }) + 'abc']
  for (const [i, request] of requests.entries()) {
    const client = new RawClient(port)
    await client.write(`${request}neither head nor body\r\n\r\n`)
    t.match(onlyAnswer(await client.closed), { statusCode: 200, body: 'last' })
    t.match((await recorded(i + 1))[i], { code: 'FST_READ_MALFORMED', phase: 'headers', answered: false })
  }
  await app.close()
})

t.test('a body that is no concern of ours is refused by others in its turn', async (t) => {
  const { app, port, records } = await guardedApp({
    routes: (app) => {
      app.get('/slow', async () => { await delay(300); return 'slow' })
      app.post('/unguarded', { config: { readGuard: false } }, async () => 'whole')
    }
  })
  const client = new RawClient(port)
  await client.write(`${head('GET', '/slow')}${head('POST', '/unguarded', { 'Content-Type': 'text/plain', 'Transfer-Encoding': 'chunked' })}xyz\r\n`)
  t.same(parseAnswers((await client.closed).text).map(({ statusCode }) => statusCode), [200, 400])
  t.same(records, [])
  await app.close()
})
