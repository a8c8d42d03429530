import t from 'tap'
import { guardedApp } from '../../support/app/guarded-app.js'
import { RawClient, head } from '../../support/client/raw-client.js'

const requests: Readonly<Record<string, string>> = {
  'a second Host': 'HEAD / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
  'Transfer-Encoding in HTTP/1.0': 'HEAD / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n',
  'a body that stalls in a hook': head('HEAD', '/held', { 'Content-Length': 10 }) + 'half'
}

for (const rejectNonStandardBodyWrites of [false, true]) {
  t.test(`an own answer to HEAD has no content${rejectNonStandardBodyWrites ? ', where Node throws on one' : ''}`, async (t) => {
    for (const [title, request] of Object.entries(requests)) {
      const { app, port, recorded } = await guardedApp({
        guard: { bodyIdleTimeout: 200 },
        fastify: { http: { rejectNonStandardBodyWrites } },
        routes: (app) => {
          app.get('/', async () => 'ok')
          app.get('/held', { onRequest: (request, _reply, done) => { request.raw.on('data', () => {}).on('end', done) } }, async () => 'ok')
        }
      })
      const client = new RawClient(port)
      await client.write(request)
      const { text } = await client.closed
      const [, content] = text.split('\r\n\r\n')
      t.match(text, /^HTTP\/1.1 40[08] /, title)
      t.equal(content, '', title)
      t.match(await recorded(), [{ answered: true }], title)
      await app.close()
    }
  })
}
