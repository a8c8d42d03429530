import t from 'tap'
import { guardedApp } from '../../support/app/guarded-app.js'
import { RawClient, chunk, head } from '../../support/client/raw-client.js'
import { deserted, serverSockets } from '../../support/oracle/server-state.js'
import { until } from '../../support/oracle/until.js'

const start = (url: string) => head('POST', url, { 'Content-Type': 'application/x-any', 'Transfer-Encoding': 'chunked' }) + chunk('abc')

for (const url of ['/unread', '/read']) {
  for (const linger of [undefined, false] as const) {
    t.test(`a client that leaves after a malformed body leaves nothing behind, whose answer is the application's own affair: ${url}${linger === false ? ', without lingering' : ''}`, async (t) => {
      const { app, port, recorded } = await guardedApp({
        t,
        guard: linger === undefined ? {} : { linger },
        routes: (app) => {
          app.addContentTypeParser('application/x-any', (_request, payload, done) => { done(null, payload) })
          app.post('/unread', (_request, reply) => { reply.hijack() })
          app.post('/read', ({ raw }, reply) => {
            reply.hijack()
            raw.on('error', () => {}).resume()
          })
        }
      })
      const sockets = serverSockets(app)
      const client = new RawClient(port)
      await client.ready()
      await client.write(start(url))
      await sockets.haveRead(client)
      await client.write('no chunk\r\n')
      await sockets.haveRead(client)
      client.socket.destroy()
      await deserted(app)
      t.match(await recorded(), [{ code: 'FST_READ_MALFORMED', answered: false }], 'one record')
    })
  }
}

t.test('the answer that the application gives to a malformed body, past the framework, is waited for while its client stays', async (t) => {
  let answer: (() => void) | undefined
  const { port, recorded } = await guardedApp({
    t,
    routes: (app) => {
      app.addContentTypeParser('application/x-any', (_request, payload, done) => { done(null, payload) })
      app.post('/unread', (_request, reply) => {
        reply.hijack()
        answer = () => reply.raw.end('own')
      })
    }
  })
  const client = new RawClient(port)
  await client.ready()
  await client.write(start('/unread') + 'no chunk\r\n')
  await until(() => answer !== undefined, 'it is handled')
  answer?.()
  const { text } = await client.closed
  t.match(text, /^HTTP\/1\.1 200 OK[^]*own/)
  t.equal((await recorded()).length, 1)
})
