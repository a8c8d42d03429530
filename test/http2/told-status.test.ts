import { PassThrough } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { guardedApp, type LogLine } from '../support/app/guarded-app.js'
import { http2Kinds } from '../support/app/http2-consumers.js'
import { Http2Client } from '../support/client/http2-client.js'
import { data, Flag, headers, requestBlock, rstStream } from '../support/client/http2-frames.js'
import { delay } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'

/*
 * What `onResponse` hooks and Fastify's last line say of an exchange whose client has left.
 */

t.jobs = 20

const STREAM = { 'content-type': 'application/x-stream' }

interface Handler {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** The status with which the response had begun. */
  readonly begun?: number
}

const handlers: readonly Handler[] = [
  { path: '/parsed', headers: { 'content-type': 'application/json' } },
  { path: '/read', headers: STREAM },
  { path: '/unread', headers: STREAM },
  { path: '/mute', headers: STREAM },
  { path: '/own', headers: STREAM },
  { path: '/begun', headers: STREAM, begun: 202 }
]

function routes (app: FastifyInstance): void {
  app.addContentTypeParser('application/x-stream', (_request, payload, done) => { done(null, payload) })
  app.post('/parsed', async ({ body }) => ({ body }))
  app.post('/read', async ({ raw }) => {
    let bytes = 0
    for await (const chunk of raw) bytes += (chunk as Buffer).length
    return { bytes }
  })
  app.post('/unread', async () => {
    await delay(300)
    return 'unread'
  })
  app.post('/mute', () => {})
  app.post('/own', async ({ raw }, reply) => {
    await new Promise((resolve) => { raw.on('error', resolve).resume() })
    return reply.code(201).send('own')
  })
  app.post('/begun', ({ raw }, reply) => {
    const answer = new PassThrough()
    raw.on('error', (error) => answer.destroy(error)).resume()
    reply.code(202).send(answer)
    answer.write('half')
  })
}

const departures: Readonly<Record<string, (client: Http2Client) => unknown>> = {
  'resets its stream': (client) => client.write(rstStream(1)),
  'resets its stream with NO_ERROR': (client) => client.write(rstStream(1, 0)),
  'closes its connection': (client) => { client.raw.socket.destroy() },
  'resets its connection': (client) => { client.rst() }
}

/** Of "request completed", or "stream closed prematurely" where half an answer was out. */
function lastLine (log: readonly LogLine[]): { readonly statusCode?: number } | undefined {
  return log.find(({ msg }) => msg === 'request completed')?.['res'] as { readonly statusCode?: number } | undefined
}

for (const kind of http2Kinds) {
  for (const { path, headers: own, begun } of handlers) {
    for (const [how, leave] of Object.entries(departures)) {
      for (const abortStatusCode of [499, 460]) {
        t.test(`${kind.name}: ${path}, whose client ${how}, has the status ${begun ?? abortStatusCode} for whoever asks`, async (t) => {
          const told: number[] = []
          const { app, port, log, recorded } = await guardedApp({
            protocol: kind.protocol,
            guard: { abortStatusCode },
            routes: (app) => {
              app.addHook('onResponse', async (_request, { raw, statusCode }) => { told.push(raw.statusCode, statusCode) })
              routes(app)
            }
          })
          const client = await new Http2Client(port, { tls: kind.tls }).open()
          await client.write(headers(1, requestBlock('POST', path, own)), data(1, '[1'))
          await until(() => app.readGuard.stats().reading.body === 1, 'the body is read')
          if (begun !== undefined) await client.until(() => client.peek(1).statusCode === begun, 'the head of the answer')
          await leave(client)
          t.match(await recorded(), [{ code: 'FST_READ_ABORTED', statusCode: abortStatusCode, answered: false }])
          await until(() => told.length > 0 && lastLine(log) !== undefined, 'the request is over')
          t.same([...told, lastLine(log)?.statusCode], Array.from({ length: 3 }, () => begun ?? abortStatusCode))
          client.raw.socket.destroy()
          await app.close()
        })
      }
    }

    if (begun !== undefined) continue

    t.test(`${kind.name}: ${path}, whose body ends short of its length, has the status 400 for whoever asks`, async (t) => {
      const told: number[] = []
      const { app, port, log, recorded } = await guardedApp({
        protocol: kind.protocol,
        routes: (app) => {
          app.addHook('onResponse', async (_request, { raw }) => { told.push(raw.statusCode) })
          routes(app)
        }
      })
      const client = await new Http2Client(port, { tls: kind.tls }).open()
      await client.write(headers(1, requestBlock('POST', path, { ...own, 'content-length': '10' })), data(1, '[1'))
      await until(() => app.readGuard.stats().reading.body === 1, 'the body is read')
      await client.write(data(1, '', Flag.END_STREAM))
      t.match(await recorded(), [{ code: 'FST_READ_LENGTH_MISMATCH', statusCode: 400, answered: false }])
      await until(() => told.length > 0 && lastLine(log) !== undefined, 'the request is over')
      t.same([...told, lastLine(log)?.statusCode], [400, 400])
      client.raw.socket.destroy()
      await app.close()
    })
  }

  t.test(`${kind.name}: a client that leaves when its body has come whole is no aborted read`, async (t) => {
    const { app, port, records } = await guardedApp({ protocol: kind.protocol, routes })
    for (const leave of Object.values(departures)) {
      const client = await new Http2Client(port, { tls: kind.tls }).open()
      await client.write(headers(1, requestBlock('POST', '/unread', { ...STREAM, 'content-length': '3' })), data(1, 'abc', Flag.END_STREAM))
      await delay(100)
      await leave(client)
      await delay(50)
      client.raw.socket.destroy()
    }
    await app.close()
    t.same(records.filter(({ phase }) => phase === 'body'), [])
  })
}
