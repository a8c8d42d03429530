import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { WebSocket } from 'undici'
import { packagesOf, pasteable } from '../support/app/documents.js'
import { startPasted, type PastedProgram } from '../support/app/pasted-programs.js'
import { chunk, head, onlyAnswer, RawClient } from '../support/client/raw-client.js'

/** What a client is told that stops in the middle of a body. */
async function stalled (port: number, path: string, type: string, begin: string): Promise<unknown> {
  const client = new RawClient(port)
  await client.write(head('POST', path, { 'Content-Type': type, 'Transfer-Encoding': 'chunked' }) + chunk(begin))
  const { statusCode, json } = onlyAnswer(await client.closed)
  return [statusCode, json['code']]
}

const timedOut = [408, 'FST_READ_BODY_IDLE_TIMEOUT']
const operations = JSON.stringify({ query: 'mutation ($file: Upload!) { keep (file: $file) }', variables: { file: null } })

/** What an ordinary client gets from each snippet, and one that stops, by the example that it is from. */
function triesIn (uploads: string): Readonly<Record<string, (t: Test, program: PastedProgram) => Promise<void>>> {
  return {
    'examples/upload.js': async (t, { port = 0 }) => {
      const form = new FormData()
      form.set('file', new File(['hello'], 'a.txt'))
      t.equal((await fetch(`http://127.0.0.1:${port}/uploads`, { method: 'POST', body: form })).status, 201)
      t.same(await stalled(port, '/uploads', 'multipart/form-data; boundary=b', '--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nhel'), [408, 'FST_READ_BODY_TOO_SLOW'])
      t.equal(readdirSync(uploads).length, 1, 'nothing is left of the one that stops')
    },
    'examples/proxy.js': async (t, { port = 0 }) => {
      t.equal(await (await fetch(`http://127.0.0.1:${port}/api/x`, { method: 'POST', body: 'hello' })).text(), '/x got 5')
      t.same(await stalled(port, '/api/x', 'application/octet-stream', 'hel'), timedOut)
    },
    'examples/websocket.js': async (t, { port = 0 }) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`)
      socket.addEventListener('open', () => socket.send('hello'))
      const [{ data }] = await once(socket, 'message') as [{ data: unknown }] // of the event's kind
      t.equal(data, 'hello')
      socket.close()
    },
    'examples/graphql-upload.js': async (t, { port = 0 }) => {
      const form = new FormData()
      form.set('operations', operations)
      form.set('map', '{"0":["variables.file"]}')
      form.set('0', new File(['hello'], 'a.txt'))
      t.same(await (await fetch(`http://127.0.0.1:${port}/graphql`, { method: 'POST', body: form })).json(), { data: { keep: 5 } })
      t.same(await stalled(port, '/graphql', 'multipart/form-data; boundary=b', '--b\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{'), timedOut)
    },
    'examples/nest.ts': async (t, { port = 0 }) => {
      const saved = await fetch(`http://127.0.0.1:${port}/notes`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"a":1}' })
      t.same([saved.status, await saved.json()], [201, { saved: { a: 1 } }])
      t.same(await stalled(port, '/notes', 'application/json', '{"a":'), timedOut)
    },
    'examples/trpc.js': async (t, { port = 0 }) => {
      const kept = await fetch(`http://127.0.0.1:${port}/trpc/upload`, { method: 'POST', headers: { 'Content-Type': 'application/octet-stream' }, body: 'hello' })
      t.same(await kept.json(), { result: { data: { bytes: 5 } } })
      t.same(await stalled(port, '/trpc/upload', 'application/octet-stream', 'hel'), timedOut)
    },
    'examples/tus.js': async (t, { port = 0 }) => {
      const { headers } = await fetch(`http://127.0.0.1:${port}/files`, { method: 'POST', headers: { 'Tus-Resumable': '1.0.0', 'Upload-Length': '5' } })
      const path = new URL(headers.get('location') ?? '').pathname
      const client = new RawClient(port)
      await client.write(head('PATCH', path, { 'Tus-Resumable': '1.0.0', 'Upload-Offset': 0, 'Content-Type': 'application/offset+octet-stream', 'Content-Length': 5 }) + 'hel')
      t.match(onlyAnswer(await client.closed), { statusCode: 204, headers: { 'upload-offset': '3' } })
    },
    'examples/lambda.js': async (t, { answer }) => {
      t.match(answer, { statusCode: 200, body: '{"saved":{"a":1}}' })
    }
  }
}

/** What API Gateway hands over. */
const event = {
  version: '2.0',
  rawPath: '/notes',
  rawQueryString: '',
  headers: { 'content-type': 'application/json' },
  requestContext: { http: { method: 'POST', path: '/notes' } },
  body: '{"a":1}'
}

t.test('every snippet that needs another package runs as pasted into an empty application', { timeout: 60_000 }, async (t) => {
  const upstream = createServer((request, response) => {
    let bytes = 0
    request.on('data', (data: Buffer) => { bytes += data.length })
    request.on('error', () => {})
    request.on('end', () => response.end(`${request.url} got ${bytes}`))
  }).listen(0, '127.0.0.1')
  t.teardown(() => { upstream.close().closeAllConnections() })
  await once(upstream, 'listening')
  const { port } = upstream.address() as AddressInfo // it listens on a port
  const uploads = join(t.testdir({}), 'uploads')
  const tries = triesIn(uploads)
  const others = pasteable.filter((snippet) => packagesOf(snippet).length > 0)
  t.same(others.map(({ source }) => source).sort(), Object.keys(tries).sort())
  const { started, stderr, stop } = await startPasted(others, { UPLOADS: uploads, UPSTREAM: `http://127.0.0.1:${port}`, EVENT: JSON.stringify(event) })
  t.teardown(stop)
  for (const snippet of others) {
    t.test(`${snippet.document}: ${snippet.source}`, async (t) => {
      const program = started.get(snippet)
      t.ok(program, 'it starts', { stderr: stderr() })
      if (program !== undefined) await tries[snippet.source]?.(t, program)
    })
  }
})
