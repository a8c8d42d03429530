import multipart from '@fastify/multipart'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { guardedApp } from '../../support/app/guarded-app.js'
import { RawClient, delay, head, parseAnswers } from '../../support/client/raw-client.js'
import { until } from '../../support/oracle/until.js'

const SIZE = 487_000
const before = '--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'
const after = '\r\n--b--\r\n'
const form = before + 'x'.repeat(SIZE) + after
const upload = head('POST', '/form', { 'Content-Type': 'multipart/form-data; boundary=b', 'Content-Length': form.length }) + form

function routes (app: FastifyInstance): void {
  app.addContentTypeParser('a/b', (_request, _payload, done) => done(null))
  app.get('/next', async () => 'next')
  app.post('/paused', async ({ raw }) => {
    raw.once('data', () => raw.pause())
    await new Promise((resolve) => raw.once('pause', resolve))
    return 'enough'
  })
  app.post('/slow', async ({ raw }) => {
    const takeAll = async (): Promise<void> => {
      for await (const bytes of raw) {
        received += (bytes as Buffer).length
        await delay(20)
      }
      complete = true
    }
    takeAll().catch(() => {})
    return 'accepted'
  })
}

let received = 0
let complete = false

for (const linger of [{ timeout: 400, bytes: 67_108_864 }, false] as const) {
  const title = linger === false ? 'without lingering' : 'with lingering'
  t.test(`a form whose file is left to itself does not keep the connection, ${title}`, async (t) => {
    const { app, port, records } = await guardedApp({
      guard: { linger },
      routes: async (app) => {
        await app.register(multipart)
        routes(app)
        app.post('/form', async (request) => {
          await request.file()
          return 'ok'
        })
      }
    })
    t.teardown(() => app.close())
    const client = new RawClient(port)
    await client.write(upload)
    await client.until(/ok$/)
    await client.write(head('GET', '/next'))
    await Promise.race([client.until(/next$/), client.closed])
    t.equal(parseAnswers(client.text)[0]?.statusCode, 200)
    t.same(records, [], 'what is left after the answer is no read')
    client.socket.destroy()
  })

  t.test(`a consumer that paused and answered does not keep the connection, ${title}`, async (t) => {
    const { app, port, records } = await guardedApp({ guard: { linger }, routes })
    t.teardown(() => app.close())
    const client = new RawClient(port)
    await client.write(head('POST', '/paused', { 'Content-Type': 'a/b', 'Content-Length': SIZE }) + 'x'.repeat(SIZE))
    await client.until(/enough$/)
    await client.write(head('GET', '/next'))
    await Promise.race([client.until(/next$/), client.closed])
    t.same(records, [])
    client.socket.destroy()
  })
}

t.test('a consumer that goes on taking the rest after its answer, however slowly, gets all of it', async (t) => {
  received = 0
  const { app, port, records } = await guardedApp({ guard: { linger: { timeout: 400, bytes: 67_108_864 } }, routes })
  t.teardown(() => app.close())
  const client = new RawClient(port)
  await client.write(head('POST', '/slow', { 'Content-Type': 'a/b', 'Content-Length': 4_000_000 }) + 'x'.repeat(4_000_000))
  await client.until(/accepted$/)
  await client.write(head('GET', '/next'))
  await client.until(/next$/)
  await until(() => complete, 'the consumer is at the end')
  t.equal(received, 4_000_000)
  t.same(records, [])
  client.socket.destroy()
})
