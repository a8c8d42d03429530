import t from 'tap'
import { guardedApp } from '../support/app/guarded-app.js'
import { Http2Client } from '../support/client/http2-client.js'
import { Flag, headers, requestBlock, windowUpdate } from '../support/client/http2-frames.js'
import { delay } from '../support/client/raw-client.js'
import { block } from '../support/client/worker-clients.js'

const LINGER = 300

t.test('a loop that was blocked while the application closes cuts off no answer whose client opened its window', async (t) => {
  const { app, port } = await guardedApp({
    guard: { resolution: 50, linger: { timeout: LINGER, bytes: 100_000 } },
    protocol: 'h2c',
    fastify: { forceCloseConnections: false },
    routes: (app) => { app.get('/', async () => 'a'.repeat(1_000)) }
  })
  const client = await new Http2Client(port, { tls: false, stays: true }).open({ 4: 0 })
  await client.write(headers(1, requestBlock('GET', '/'), Flag.END_HEADERS | Flag.END_STREAM))
  await client.until(() => client.peek(1).statusCode === 200, 'head')
  const closed = app.close()
  await client.write(windowUpdate(1, 100))
  await delay(LINGER / 2)
  await new Promise<void>((resolve) => setImmediate(() => {
    client.raw.socket.write(windowUpdate(1, 900)) // with the kernel, at once
    block(LINGER)
    resolve()
  }))
  await client.write(windowUpdate(1, 1))
  const { body, ended, reset } = await client.answer(1)
  t.match({ length: body.length, ended, reset }, { length: 1000, ended: true, reset: undefined })
  client.raw.socket.destroy()
  await closed
})
