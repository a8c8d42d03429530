import { constants } from 'node:http2'
import net from 'node:net'
import t, { type Test } from 'tap'
import type { ReadGuardOptions } from '../../lib/index.js'
import { noise, type LogLine } from '../support/app/guarded-app.js'
import { Http2Client } from '../support/client/http2-client.js'
import { data, Flag, headers, requestBlock, rstStream, windowUpdate } from '../support/client/http2-frames.js'
import { chunk, head, RawClient, repeat } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'
import { answerTo, beginUpload, LARGE, proxiedApp } from './proxied-app.js'
import { nginxBefore, nginxVersion, type Changes, type ProxyLine, type RunningProxy } from './proxy-programs.js'

// What each of these found stands in docs/behind-a-proxy.md.
t.jobs = 2

interface Stand {
  readonly t: Test
  readonly app: Awaited<ReturnType<typeof proxiedApp>>
  readonly nginx: RunningProxy
}

interface Setting {
  readonly guard?: ReadGuardOptions
  /** Of Fastify. */
  readonly server?: object
  readonly nginx?: Changes
}

function behind (claim: string, { guard = {}, server = {}, nginx = {} }: Setting, run: (stand: Stand) => Promise<void>): void {
  t.test(`behind nginx, ${claim}`, { skip: nginxVersion === undefined && 'nginx is not installed' }, async (t) => {
    const app = await proxiedApp(t, guard, server)
    await run({ t, app, nginx: await nginxBefore(t, app.port, nginx) })
    t.same(noise(app.log), [], 'the application logs no warning beside the records')
  })
}

/** What its access log says that the client got, and that the application said. */
function statuses (lines: readonly ProxyLine[]): Array<readonly [status: number, upstream: string | undefined]> {
  return lines.map(({ status, upstream_status: upstream }) => [status, upstream] as const)
}

const octets = { 'content-type': 'application/octet-stream' }
const chunked = { 'Content-Type': 'application/octet-stream', 'Transfer-Encoding': 'chunked' }
const upload = (path: string, more: Readonly<Record<string, string>> = {}): Buffer => headers(1, requestBlock('POST', path, { ...octets, ...more }))

async function session (nginx: RunningProxy): Promise<Http2Client> {
  return await new Http2Client(nginx.tlsPort, { tls: true }).open()
}

behind('good requests of every kind leave no record, and nginx tells the length of a body that it buffers', {}, async ({ t, app, nginx }) => {
  for (const path of ['/upload', '/files/upload']) {
    const client = new RawClient(nginx.port)
    await client.write(head('POST', path, chunked) + chunk('hello'))
    // It tells the length of what comes together, also where it streams.
    if (path === '/files/upload') await until(() => app.arrived.length === 2, 'the head arrives')
    await client.write(chunk('world') + '0\r\n\r\n')
    t.equal((await answerTo(client)).body, '{"bytes":10}')
    client.fin()
  }
  const h2 = await session(nginx)
  await h2.write(upload('/files/upload'), data(1, 'hello'))
  await until(() => app.arrived.length === 3, 'the head arrives')
  await h2.write(data(1, 'world', Flag.END_STREAM))
  t.match(await h2.answer(1), { statusCode: 200, body: '{"bytes":10}' })
  h2.rst()
  t.strictSame(app.arrived.map(({ url, contentLength, transferEncoding }) => [url, contentLength, transferEncoding]), [
    ['/upload', '10', undefined],
    ['/files/upload', undefined, 'chunked'],
    ['/files/upload', undefined, 'chunked']
  ])
  t.same(app.records, [])
})

behind('a body that stalls is answered by the application where requests stream, over HTTP/1.1 and HTTP/2, and is not seen by it where nginx buffers',
  { guard: { bodyIdleTimeout: 300 } }, async ({ t, app, nginx }) => {
    const buffered = await beginUpload(nginx.port, '/upload', 1_000, 500)
    const client = await beginUpload(nginx.port, '/files/upload', 1_000, 500)
    t.match(await answerTo(client), { statusCode: 408, json: { code: 'FST_READ_BODY_IDLE_TIMEOUT' } })
    const h2 = await session(nginx)
    await h2.write(upload('/files/upload'), data(1, 'hello'))
    t.match(await h2.answer(1), { statusCode: 408, json: { code: 'FST_READ_BODY_IDLE_TIMEOUT' }, reset: 0 })
    await h2.write(headers(3, requestBlock('GET', '/health'), Flag.END_HEADERS | Flag.END_STREAM))
    t.match(await h2.answer(3), { statusCode: 200 }, 'the session goes on')
    const lines = await nginx.logged(2)
    t.strictSame(statuses(lines).slice(0, 2), [[408, '408'], [408, '408']])
    const [record] = await app.recorded(2)
    t.match(record, { code: 'FST_READ_BODY_IDLE_TIMEOUT', answered: true, received: 500, expected: 1_000, reqId: lines[0]?.id })
    t.equal(buffered.text, '')
    t.strictSame(app.arrived.map(({ url }) => url), ['/files/upload', '/files/upload'])
    buffered.rst()
    h2.rst()
  })

behind('its client_body_timeout closes without an answer; the application sees a client that left, where requests stream',
  { nginx: { 'client_body_timeout 20s': 'client_body_timeout 1s', 'client_body_timeout 65s': 'client_body_timeout 1s' } }, async ({ t, app, nginx }) => {
    const ended = await Promise.all(['/upload', '/files/upload'].map(path => beginUpload(nginx.port, path, 1_000, 500).then(client => client.closed)))
    for (const { text, end } of ended) t.strictSame([text, end], ['', 'FIN'])
    const lines = await nginx.logged(2)
    t.strictSame(statuses(lines).sort(), [[408, ''], [408, '-']])
    await app.recorded()
    t.match(app.records, [{ code: 'FST_READ_ABORTED', route: '/files/upload', statusCode: 499, answered: false, received: 500 }])
    t.equal(app.arrived.length, 1)
  })

behind('a trickling body is ended by minBodyRate where requests stream; nginx lets it go on where it buffers',
  { guard: { minBodyRate: { bytesPerSecond: 1_000, gracePeriod: 500 } }, nginx: { 'client_body_timeout 20s': 'client_body_timeout 1s' } }, async ({ t, app, nginx }) => {
    const [buffered, streamed] = [await beginUpload(nginx.port, '/upload', 1_000, 0), await beginUpload(nginx.port, '/files/upload', 1_000, 0)]
    const writes = [buffered, streamed].map(client => client.trickle(repeat('x', 40), 50)) // for two seconds
    t.match(await answerTo(streamed), { statusCode: 408, json: { code: 'FST_READ_BODY_TOO_SLOW' } })
    await Promise.all(writes)
    t.notOk(buffered.socket.destroyed, 'twice the client_body_timeout has gone by')
    t.equal(buffered.text, '')
    t.match(app.records, [{ code: 'FST_READ_BODY_TOO_SLOW', route: '/files/upload' }])
    buffered.rst()
  })

behind('the early 413 reaches clients that go on sending, every time', { guard: { bodyLimit: 1_000_000 } }, async ({ t, app, nginx }) => {
  const tries = 10
  for (const path of ['/upload', '/files/upload']) {
    for (let i = 0; i < tries; i++) {
      const client = await beginUpload(nginx.port, path, 3_000_000, 0, { Connection: 'close' })
      client.write('x'.repeat(3_000_000))
      t.match(await answerTo(client), { statusCode: 413, json: { code: 'FST_READ_BODY_TOO_LARGE' } })
      client.rst()
    }
  }
  const lines = await nginx.logged(2 * tries)
  t.ok(lines.every(line => line.status === 413 && line.upstream_status === '413'))
  t.match((await app.recorded(2 * tries)).map(({ code, answered, reqId }) => [code, answered, reqId]), lines.map(({ id }) => ['FST_READ_BODY_TOO_LARGE', true, id]))
})

behind('an HTTP/2 upload that is too large is refused on its stream, and the session goes on', { guard: { bodyLimit: 10_000 } }, async ({ t, app, nginx }) => {
  const h2 = await session(nginx)
  await h2.write(upload('/files/upload', { 'content-length': '30000' }), data(1, Buffer.alloc(10_000)))
  t.match(await h2.answer(1), { statusCode: 413, json: { code: 'FST_READ_BODY_TOO_LARGE' } })
  await h2.write(headers(3, requestBlock('GET', '/health'), Flag.END_HEADERS | Flag.END_STREAM))
  t.match(await h2.answer(3), { statusCode: 200 })
  t.match(await app.recorded(), [{ code: 'FST_READ_BODY_TOO_LARGE', answered: true, expected: 30_000 }])
  h2.rst()
})

behind('its client_max_body_size refuses first where it is stricter, with its own page', { guard: { bodyLimit: 1_000 }, nginx: { 'client_max_body_size 10m': 'client_max_body_size 500' } },
  async ({ t, app, nginx }) => {
    const client = await beginUpload(nginx.port, '/files/upload', 1_500, 0)
    t.match(await answerTo(client), { statusCode: 413, headers: { 'content-type': 'text/html' } })
    client.rst() // of a client that stays, it logs when it has lingered for 5 s
    t.strictSame(statuses(await nginx.logged()), [[413, '']])
    t.same([app.arrived, app.records], [[], []])
  })

behind('100 Continue is its own, and the early refusal follows it before the body where requests stream', { guard: { bodyLimit: 1_000 } }, async ({ t, app, nginx }) => {
  const client = await beginUpload(nginx.port, '/files/upload', 5_000, 0, { Expect: '100-continue' })
  await client.until(/ 413 [^]*\}$/)
  t.match(client.text, /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 413 /)
  t.match(app.arrived, [{ expect: undefined }])
  t.match(await app.recorded(), [{ code: 'FST_READ_BODY_TOO_LARGE', received: 0 }])
  client.rst()
})

behind('411 for a body without length comes only where requests stream', { guard: { requireContentLength: true } }, async ({ t, app, nginx }) => {
  const [buffered, streamed] = [new RawClient(nginx.port), new RawClient(nginx.port)]
  await buffered.write(head('POST', '/upload', chunked) + chunk('hello') + '0\r\n\r\n')
  t.match(await answerTo(buffered), { statusCode: 200 })
  await streamed.write(head('POST', '/files/upload', chunked) + chunk('hello'))
  t.match(await answerTo(streamed), { statusCode: 411 })
  t.match(app.records, [{ code: 'FST_READ_LENGTH_REQUIRED', route: '/files/upload' }])
  buffered.rst()
  streamed.rst()
})

behind('a malformed chunk is answered by nginx; the application sees a client that left, where requests stream', {}, async ({ t, app, nginx }) => {
  for (const path of ['/upload', '/files/upload']) {
    const client = new RawClient(nginx.port)
    await client.write(head('POST', path, chunked) + chunk('hello'))
    if (path === '/files/upload') await until(() => app.arrived.length > 0, 'the request arrives')
    await client.write('zz\r\n')
    t.match(await answerTo(client), { statusCode: 400, headers: { 'content-type': 'text/html' } })
  }
  t.match(await app.recorded(), [{ code: 'FST_READ_ABORTED', route: '/files/upload', received: 5, answered: false }])
  t.strictSame(statuses(await nginx.logged(2)), [[400, ''], [400, '-']])
})

behind('a client that leaves in mid-body is a 400 in its log, and FST_READ_ABORTED where requests stream', {}, async ({ t, app, nginx }) => {
  const buffered = await beginUpload(nginx.port, '/upload', 1_000, 500)
  const streamed = await beginUpload(nginx.port, '/files/upload', 1_000, 500)
  const h2 = await session(nginx)
  await h2.write(upload('/files/upload'), data(1, 'hello'))
  await until(() => app.arrived.length === 2, 'what streams has arrived')
  buffered.rst()
  streamed.rst()
  await h2.write(rstStream(1))
  const lines = await nginx.logged(3)
  t.strictSame(statuses(lines).sort(), [[400, ''], [400, '-'], [400, '-']])
  const records = await app.recorded(2)
  t.match(records, [{ code: 'FST_READ_ABORTED', phase: 'body', statusCode: 499 }, { code: 'FST_READ_ABORTED', phase: 'body', statusCode: 499 }])
  t.strictSame(records.map(({ expected }) => expected).sort(), [1_000, undefined], 'the cut HTTP/2 upload has no length, and is told from a whole one')
  h2.rst()
})

behind('a client that leaves while the handler works is a 499 in its log and FST_READ_RESPONSE_ABORTED in ours', {}, async ({ t, app, nginx }) => {
  const clients = [await beginUpload(nginx.port, '/think', 5, 5), await beginUpload(nginx.port, '/files/think', 5, 5)]
  const h2 = await session(nginx)
  await h2.write(upload('/think'), data(1, 'hello', Flag.END_STREAM))
  await until(() => app.arrived.length === 3, 'they arrive')
  clients[0]?.rst()
  clients[1]?.fin() // half-closed: nginx takes that for leaving, too
  await h2.write(rstStream(1))
  const lines = await nginx.logged(3)
  t.strictSame(statuses(lines), [[499, '-'], [499, '-'], [499, '-']])
  const records = await app.recorded(3)
  for (const record of records) t.match(record, { code: 'FST_READ_RESPONSE_ABORTED', phase: 'handler', statusCode: 499, answered: false })
  t.strictSame(records.map(({ reqId }) => reqId).sort(), lines.map(({ id }) => id).sort())
  h2.rst()
})

behind('a client that takes nothing is not seen where nginx buffers responses; where they stream it is cut by responseIdleTimeout, and nginx logs a 200',
  { guard: { responseIdleTimeout: 700 } }, async ({ t, app, nginx }) => {
    const [buffered, streamed] = [new RawClient(nginx.port), new RawClient(nginx.port)]
    for (const [client, path] of [[buffered, '/download'], [streamed, '/files/download']] as const) {
      await client.write(head('GET', path, { Connection: 'close' }))
      await client.until(/200 OK/)
      client.socket.pause()
    }
    const [record] = await app.recorded()
    t.match(record, { code: 'FST_READ_RESPONSE_IDLE_TIMEOUT', phase: 'response', statusCode: 499, route: '/files/download' })
    streamed.socket.resume()
    buffered.socket.resume()
    const [whole, cut] = [await buffered.closed, await streamed.closed]
    t.ok(whole.text.length > LARGE, 'the buffered response arrives whole')
    t.ok(cut.text.length < LARGE, 'the other does not')
    const lines = await nginx.logged(2)
    t.strictSame(statuses(lines.filter(({ id }) => id === record?.reqId)), [[200, '200']])
    t.match(nginx.messages(), /recv\(\) failed \(104: [^)]*\) while sending to client/)
    t.equal(app.records.length, 1)
  })

behind('its send_timeout ends a client that takes nothing; where responses stream, that is FST_READ_RESPONSE_ABORTED', { nginx: { '  send_timeout 60s': '  send_timeout 1s', '  send_timeout 65s': '  send_timeout 1s' } },
  async ({ t, app, nginx }) => {
    const clients = [new RawClient(nginx.port), new RawClient(nginx.port)]
    for (const [i, path] of ['/download', '/files/download'].entries()) {
      const client = clients[i]
      await client?.write(head('GET', path))
      await client?.until(/200 OK/)
      client?.socket.pause()
    }
    const lines = await nginx.logged(2)
    t.ok(lines.every(line => line.status === 200 && line.response_bytes < LARGE))
    t.match(await app.recorded(), [{ code: 'FST_READ_RESPONSE_ABORTED', phase: 'response', route: '/files/download' }])
    for (const client of clients) client.rst()
  })

behind('an HTTP/2 client that takes nothing loses the stream, and keeps its session', { guard: { responseIdleTimeout: 700 } }, async ({ t, app, nginx }) => {
  const h2 = await session(nginx)
  await h2.write(headers(1, requestBlock('GET', '/files/download'), Flag.END_HEADERS | Flag.END_STREAM))
  t.match(await app.recorded(), [{ code: 'FST_READ_RESPONSE_IDLE_TIMEOUT', phase: 'response' }])
  await h2.write(windowUpdate(0, 50_000_000), windowUpdate(1, 50_000_000))
  t.match(await h2.answer(1), { statusCode: 200, ended: false, reset: constants.NGHTTP2_INTERNAL_ERROR })
  await h2.write(headers(3, requestBlock('GET', '/health'), Flag.END_HEADERS | Flag.END_STREAM))
  t.match(await h2.answer(3), { statusCode: 200 })
  h2.rst()
})

function isOf ({ req }: LogLine, url: string): boolean {
  return (req as { url?: string } | undefined)?.url === url
}

behind('a client that leaves in mid-response is FST_READ_RESPONSE_ABORTED only where responses stream', {}, async ({ t, app, nginx }) => {
  for (const path of ['/download', '/files/download']) {
    const client = new RawClient(nginx.port)
    await client.write(head('GET', path))
    await client.until(/200 OK/)
    client.socket.pause()
    const ids = (): unknown[] => app.log.filter(line => isOf(line, path)).map(({ reqId }) => reqId)
    const isDone = (): boolean => app.log.some(({ msg, reqId }) => msg === 'request completed' && ids().includes(reqId))
    if (path === '/download') await until(isDone, 'nginx has all of the response')
    client.rst()
  }
  t.match(await app.recorded(), [{ code: 'FST_READ_RESPONSE_ABORTED', phase: 'response', route: '/files/download' }])
  t.strictSame(statuses(await nginx.logged(2)), [[200, '200'], [200, '200']])
  t.equal(app.records.length, 1)
})

behind('its proxy_read_timeout is a 504 to the client, and a client that left to the application', { nginx: { 'proxy_read_timeout 60s': 'proxy_read_timeout 1s' } }, async ({ t, app, nginx }) => {
  const client = await beginUpload(nginx.port, '/think', 5, 5)
  t.match(await answerTo(client), { statusCode: 504 })
  t.match(await app.recorded(), [{ code: 'FST_READ_RESPONSE_ABORTED', phase: 'handler', blame: 'client_gone' }])
  t.strictSame(statuses(await nginx.logged()), [[504, '504']])
  client.rst()
})

behind('without a rate of ours a trickling body outlasts all of its timeouts', {
  guard: { minBodyRate: false, bodyIdleTimeout: 0 },
  nginx: { 'client_body_timeout 20s': 'client_body_timeout 1s', 'client_body_timeout 65s': 'client_body_timeout 1s', 'proxy_read_timeout 60s': 'proxy_read_timeout 1s', 'proxy_send_timeout 60s': 'proxy_send_timeout 1s' }
}, async ({ t, app, nginx }) => {
  const clients = [await beginUpload(nginx.port, '/upload', 1_000, 0), await beginUpload(nginx.port, '/files/upload', 1_000, 0)]
  await Promise.all(clients.map(client => client.trickle(repeat('x', 30), 100))) // for three seconds
  for (const client of clients) {
    t.strictSame([client.socket.destroyed, client.text], [false, ''])
    client.rst()
  }
  t.match(await app.recorded(), [{ code: 'FST_READ_ABORTED', phase: 'body' }])
})

behind('slow heads and silent connections never reach the application', { nginx: { 'client_header_timeout 20s': 'client_header_timeout 1s' } }, async ({ t, app, nginx }) => {
  const [slow, silent] = [new RawClient(nginx.port), new RawClient(nginx.port)]
  await slow.write('GET /files/upload HTTP/1.1\r\nHost: localhost\r\n')
  slow.trickle(repeat('X-A: b\r\n', 100), 50)
  for (const { text, end } of [await slow.closed, await silent.closed]) t.strictSame([text, end], ['', 'FIN'])
  t.strictSame(statuses(await nginx.logged()), [[408, '']])
  t.match(nginx.messages(), /client timed out [^\n]* while waiting for request/)
  t.equal(nginx.lines().length, 1, 'the silent connection has no line of its own')
  t.same([app.arrived, app.records], [[], []])
})

for (const [forwarded, trustProxy, ip] of [['$remote_addr', '127.0.0.1', '127.0.0.2'], ['$proxy_add_x_forwarded_for', '127.0.0.1', '127.0.0.2'], ['$proxy_add_x_forwarded_for', true, '6.6.6.6']] as const) {
  behind(`with X-Forwarded-For ${forwarded} and trustProxy ${String(trustProxy)}, the record's ip is ${ip === '6.6.6.6' ? 'what the client says it is' : 'the client\'s'}`,
    { guard: { bodyIdleTimeout: 200 }, server: { trustProxy }, nginx: { 'X-Forwarded-For $remote_addr': `X-Forwarded-For ${forwarded}` } }, async ({ t, app, nginx }) => {
      const over = net.connect({ port: nginx.port, host: '127.0.0.1', localAddress: '127.0.0.2', allowHalfOpen: true })
      const client = new RawClient(nginx.port, { over })
      await client.write(head('POST', '/files/upload', { ...octets, 'Content-Length': 10, 'X-Forwarded-For': '6.6.6.6' }) + 'hello')
      t.match(await app.recorded(), [{ ip, remoteAddress: '127.0.0.1' }])
      client.rst()
    })
}

behind('refusals between good requests cost no client its answer, and the next request a new connection', { guard: { bodyLimit: 10 } }, async ({ t, app, nginx }) => {
  const client = new RawClient(nginx.port)
  for (const size of [5, 100, 5, 100, 5]) {
    client.text = ''
    await client.write(head('POST', '/upload', { ...octets, 'Content-Length': size }) + 'x'.repeat(size))
    t.match(await answerTo(client), { statusCode: size > 10 ? 413 : 200, headers: { connection: 'keep-alive' } })
  }
  const [first, second, third, fourth, fifth] = app.arrived.map(({ remotePort }) => remotePort)
  t.strictSame([first === second, second === third, third === fourth, fourth === fifth], [true, false, true, false], 'nginx keeps its connections until one is refused')
  client.rst()
})

behind('idle connections that the application closes first cost nothing by themselves', { server: { keepAliveTimeout: 300 } }, async ({ t, app, nginx }) => {
  const client = new RawClient(nginx.port)
  for (let i = 0; i < 2; i++) {
    client.text = ''
    await client.write(head('POST', '/upload', { ...octets, 'Content-Length': 5 }) + 'hello')
    t.match(await answerTo(client), { statusCode: 200 })
    await until(async () => await new Promise((resolve) => app.app.server.getConnections((_error, count) => resolve(count === 0))), 'it has closed')
  }
  t.same(app.records, [])
  client.rst()
})
