import { once } from 'node:events'
import { connect, createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import fastify from 'fastify'
import t from 'tap'
import readGuard, { type AbortRecord } from '../../lib/index.js'

/** An application whose consumer says what it hears of a body. */
async function start () {
  const heard: string[] = []
  const records: AbortRecord[] = []
  const app = fastify({ http2: true })
  await app.register(readGuard, { onAbort: (record) => { records.push(record) } })
  app.addContentTypeParser('*', (_request, body, done) => {
    for (const event of ['data', 'end', 'aborted']) body.on(event, () => { heard.push(event) })
    body.on('error', (error: Error & { code?: string }) => {
      heard.push(String(error.code))
      done(error)
    })
  })
  app.post('/', async () => 'read')
  await app.ready()
  return { app, heard, records }
}

/** Begins a body, and leaves when the first bytes have reached the consumer. */
async function leaveInBody (server: Http2Server, heard: readonly string[]): Promise<void> {
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  client.on('error', () => {})
  const stream = client.request({ ':method': 'POST', ':path': '/', 'content-type': 'a/b' })
  stream.on('error', () => {})
  stream.write('part')
  while (!heard.includes('data')) await new Promise((resolve) => setTimeout(resolve, 5))
  client.destroy()
}

async function until (isThere: () => boolean): Promise<void> {
  for (let wait = 0; wait < 400 && !isThere(); wait++) await new Promise((resolve) => setTimeout(resolve, 5))
}

t.test('a stream of a server that the guard does not know tells of a client that leaves, once', async (t) => {
  const { app, heard, records } = await start()
  const routing = app.routing as unknown as Parameters<typeof createServer>[0] // it takes requests of both kinds
  const server = createServer(routing as () => void).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => app.close())
  await leaveInBody(server, heard)
  await until(() => records.length > 0 && heard.includes('aborted') && heard.includes('FST_READ_ABORTED'))
  // What would be told once more comes before the connection is closed, or a turn later.
  await new Promise((resolve) => server.close(resolve))
  await new Promise(setImmediate)
  t.same([...heard].sort(), ['FST_READ_ABORTED', 'aborted', 'data'])
  t.same(records.map(({ code, phase }) => [code, phase]), [['FST_READ_ABORTED', 'body']])
})

t.test('an emit that another package has put on a stream before is still called', async (t) => {
  const { app, heard, records } = await start()
  const seen: unknown[] = []
  const server = app.server as unknown as Http2Server
  server.prependListener('stream', (stream: ServerHttp2Stream) => {
    const emit = stream.emit.bind(stream) as (...given: unknown[]) => boolean
    stream.emit = (...given: unknown[]) => {
      seen.push(given[0])
      return emit(...given)
    }
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => app.close())
  await leaveInBody(server, heard)
  await until(() => records.length > 0 && seen.includes('close'))
  t.same(records.map(({ code, phase }) => [code, phase]), [['FST_READ_ABORTED', 'body']])
  for (const event of ['data', 'aborted', 'close']) t.ok(seen.includes(event), event)
})
