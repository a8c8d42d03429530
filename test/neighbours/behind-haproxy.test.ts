import net from 'node:net'
import t, { type Test } from 'tap'
import type { ReadGuardOptions } from '../../lib/index.js'
import { noise } from '../support/app/guarded-app.js'
import { Http2Client } from '../support/client/http2-client.js'
import { data, Flag, headers, requestBlock, rstStream, windowUpdate } from '../support/client/http2-frames.js'
import { chunk, delay, head, RawClient, repeat } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'
import { answerTo, beginUpload, LARGE, proxiedApp } from './proxied-app.js'
import { haproxyBefore, haproxyVersion, type Changes, type ProxyLine, type RunningProxy } from './proxy-programs.js'

// What each of these found stands in docs/behind-a-proxy.md. Below /forms/ it waits for the body (`option http-buffer-request`).
t.jobs = 2

interface Stand {
  readonly t: Test
  readonly app: Awaited<ReturnType<typeof proxiedApp>>
  readonly haproxy: RunningProxy
}

interface Setting {
  readonly guard?: ReadGuardOptions
  /** Of Fastify. */
  readonly server?: object
  readonly haproxy?: Changes
}

function behind (claim: string, { guard = {}, server = {}, haproxy = {} }: Setting, run: (stand: Stand) => Promise<void>): void {
  t.test(`behind HAProxy, ${claim}`, { skip: haproxyVersion === undefined && 'haproxy is not installed' }, async (t) => {
    const app = await proxiedApp(t, guard, server)
    await run({ t, app, haproxy: await haproxyBefore(t, app.port, haproxy) })
    t.same(noise(app.log), [], 'the application logs no warning beside the records')
  })
}

/** What its access log says that the client got (-1: nothing), and who ended the exchange in which phase. */
function states (lines: readonly ProxyLine[]): Array<readonly [status: number, state: string | undefined]> {
  return lines.map(({ status, state }) => [status, state?.slice(0, 2)] as const)
}

const octets = { 'content-type': 'application/octet-stream' }
const chunked = { 'Content-Type': 'application/octet-stream', 'Transfer-Encoding': 'chunked' }
const upload = (path: string, more: Readonly<Record<string, string>> = {}): Buffer => headers(1, requestBlock('POST', path, { ...octets, ...more }))

async function session (haproxy: RunningProxy): Promise<Http2Client> {
  return await new Http2Client(haproxy.tlsPort, { tls: true }).open()
}

behind('good requests of every kind leave no record, and a body without length stays one', {}, async ({ t, app, haproxy }) => {
  for (const path of ['/upload', '/forms/upload']) {
    const client = new RawClient(haproxy.port)
    await client.write(head('POST', path, chunked) + chunk('hello') + chunk('world') + '0\r\n\r\n')
    t.equal((await answerTo(client)).body, '{"bytes":10}')
    client.fin()
  }
  const h2 = await session(haproxy)
  await h2.write(upload('/upload'), data(1, 'hello'))
  await until(() => app.arrived.length === 3, 'the head arrives')
  await h2.write(data(1, 'world', Flag.END_STREAM))
  t.match(await h2.answer(1), { statusCode: 200, body: '{"bytes":10}' })
  h2.rst()
  t.strictSame(app.arrived.map(({ contentLength, transferEncoding }) => [contentLength, transferEncoding]), [[undefined, 'chunked'], [undefined, 'chunked'], [undefined, 'chunked']])
  t.strictSame(states(await haproxy.logged(3)), [[200, '--'], [200, '--'], [200, '--']])
  t.same(app.records, [])
})

behind('a body that stalls is answered by the application, over HTTP/1.1 and HTTP/2', { guard: { bodyIdleTimeout: 300 } }, async ({ t, app, haproxy }) => {
  const client = await beginUpload(haproxy.port, '/upload', 1_000, 500)
  t.match(await answerTo(client), { statusCode: 408, json: { code: 'FST_READ_BODY_IDLE_TIMEOUT' } })
  client.rst()
  const h2 = await session(haproxy)
  await h2.write(upload('/upload'), data(1, 'hello'))
  t.match(await h2.answer(1), { statusCode: 408, json: { code: 'FST_READ_BODY_IDLE_TIMEOUT' } })
  await h2.write(headers(3, requestBlock('GET', '/health'), Flag.END_HEADERS | Flag.END_STREAM))
  t.match(await h2.answer(3), { statusCode: 200 }, 'the session goes on')
  h2.rst()
  const [line] = await haproxy.logged()
  t.match(line, { status: 408 })
  t.match(await app.recorded(2), [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', answered: true, received: 500, expected: 1_000, reqId: line?.id }, { code: 'FST_READ_BODY_IDLE_TIMEOUT' }])
})

behind('without a limit of ours a stalled body ends at its timeout server, in a 504 that blames the application', { guard: { bodyIdleTimeout: 0, minBodyRate: false }, haproxy: { 'timeout client 65s': 'timeout client 500ms', 'timeout server 65s': 'timeout server 1s' } },
  async ({ t, app, haproxy }) => {
    const client = await beginUpload(haproxy.port, '/upload', 1_000, 500)
    t.match(await answerTo(client), { statusCode: 504 })
    t.strictSame(states(await haproxy.logged()), [[504, 'sH']], 'its timeout client is not what ended it')
    t.match(await app.recorded(), [{ code: 'FST_READ_ABORTED', received: 500, answered: false }])
  })

behind('with http-buffer-request a body that stalls or trickles is answered by its timeout http-request, and not seen by the application', { haproxy: { 'timeout http-request 20s': 'timeout http-request 1s' } },
  async ({ t, app, haproxy }) => {
    const [stalled, slow] = [await beginUpload(haproxy.port, '/forms/upload', 1_000, 500), await beginUpload(haproxy.port, '/forms/upload', 1_000, 0)]
    slow.trickle(repeat('x', 100), 50)
    for (const client of [stalled, slow]) t.match(await answerTo(client), { statusCode: 408, headers: { 'content-type': 'text/html' } })
    t.strictSame(states(await haproxy.logged(2)), [[408, 'cR'], [408, 'cR']])
    t.same([app.arrived, app.records], [[], []])
  })

behind('with http-buffer-request what exceeds its buffer is streamed: the application answers', { guard: { bodyIdleTimeout: 300 }, haproxy: { 'timeout http-request 20s': 'timeout http-request 1s' } }, async ({ t, app, haproxy }) => {
  const client = await beginUpload(haproxy.port, '/forms/upload', 100_000, 50_000)
  t.match(await answerTo(client), { statusCode: 408, json: { code: 'FST_READ_BODY_IDLE_TIMEOUT' } })
  t.match(await app.recorded(), [{ received: 50_000, expected: 100_000 }])
  client.rst()
})

behind('a trickling body is ended by minBodyRate', { guard: { minBodyRate: { bytesPerSecond: 1_000, gracePeriod: 500 } } }, async ({ t, app, haproxy }) => {
  const client = await beginUpload(haproxy.port, '/upload', 1_000, 0)
  client.trickle(repeat('x', 100), 50)
  t.match(await answerTo(client), { statusCode: 408, json: { code: 'FST_READ_BODY_TOO_SLOW' } })
  t.match(await app.recorded(), [{ code: 'FST_READ_BODY_TOO_SLOW', answered: true }])
  client.rst()
})

behind('the early 413 reaches clients that go on sending, every time', { guard: { bodyLimit: 1_000_000 } }, async ({ t, app, haproxy }) => {
  const tries = 10
  for (const path of ['/upload', '/forms/upload']) {
    for (let i = 0; i < tries; i++) {
      const client = await beginUpload(haproxy.port, path, 3_000_000, 0, { Connection: 'close' })
      client.write('x'.repeat(3_000_000))
      t.match(await answerTo(client), { statusCode: 413, json: { code: 'FST_READ_BODY_TOO_LARGE' } })
      await client.closed
    }
  }
  const lines = await haproxy.logged(2 * tries)
  t.strictSame(states(lines), lines.map(() => [413, '--']), 'and its log says that all went well')
  t.strictSame((await app.recorded(2 * tries)).map(({ code, answered, reqId }) => [code, answered, reqId]), lines.map(({ id }) => ['FST_READ_BODY_TOO_LARGE', true, id]))
})

behind('an HTTP/2 upload that is too large is refused on its stream, and the session goes on', { guard: { bodyLimit: 10_000 } }, async ({ t, app, haproxy }) => {
  const h2 = await session(haproxy)
  await h2.write(upload('/upload', { 'content-length': '30000' }), data(1, Buffer.alloc(10_000)))
  t.match(await h2.answer(1, ({ statusCode, ended }) => statusCode !== undefined && ended), { statusCode: 413, json: { code: 'FST_READ_BODY_TOO_LARGE' } })
  await h2.write(headers(3, requestBlock('GET', '/health'), Flag.END_HEADERS | Flag.END_STREAM))
  t.match(await h2.answer(3), { statusCode: 200 })
  t.match(await app.recorded(), [{ code: 'FST_READ_BODY_TOO_LARGE', answered: true, expected: 30_000 }])
  h2.rst()
})

behind('Expect is passed on: a refusal comes in the place of 100 Continue, which is its own with http-buffer-request', { guard: { bodyLimit: 1_000 } }, async ({ t, app, haproxy }) => {
  const client = await beginUpload(haproxy.port, '/upload', 5_000, 0, { Expect: '100-continue' })
  t.match(await answerTo(client), { statusCode: 413 })
  t.match(client.text, /^HTTP\/1.1 413 /)
  const buffered = await beginUpload(haproxy.port, '/forms/upload', 5_000, 0, { Expect: '100-continue' })
  t.match(await buffered.until(/\r\n\r\n/), /^HTTP\/1.1 100 Continue\r\n\r\n$/)
  await buffered.write('x'.repeat(5_000))
  await buffered.until(/ 413 [^]*\}$/)
  t.strictSame(app.arrived.map(({ expect }) => expect), ['100-continue', undefined])
  t.match(await app.recorded(2), [{ code: 'FST_READ_BODY_TOO_LARGE', received: 0 }, { code: 'FST_READ_BODY_TOO_LARGE' }])
  client.rst()
  buffered.rst()
})

behind('411 for a body without length comes whether it waits for the body or not', { guard: { requireContentLength: true } }, async ({ t, haproxy }) => {
  for (const path of ['/upload', '/forms/upload']) {
    const client = new RawClient(haproxy.port)
    await client.write(head('POST', path, chunked) + chunk('hello') + '0\r\n\r\n')
    t.match(await answerTo(client), { statusCode: 411 })
    client.rst()
  }
})

behind('a malformed chunk is answered by HAProxy; the application sees a client that left, where the request was passed on', {}, async ({ t, app, haproxy }) => {
  for (const path of ['/upload', '/forms/upload']) {
    const client = new RawClient(haproxy.port)
    await client.write(head('POST', path, chunked) + chunk('hello'))
    if (path === '/upload') await until(() => app.arrived.length > 0, 'the request arrives')
    await client.write('zz\r\n')
    t.match(await answerTo(client), { statusCode: 400, headers: { 'content-type': 'text/html' } })
  }
  t.strictSame(states(await haproxy.logged(2)), [[400, 'PH'], [400, 'PR']])
  t.match(await app.recorded(), [{ code: 'FST_READ_ABORTED', route: '/upload', received: 5, answered: false }])
})

behind('a client that leaves in mid-body is CD in its log and FST_READ_ABORTED in ours; CR and nothing where it waited for the body', {}, async ({ t, app, haproxy }) => {
  const [streamed, waited] = [await beginUpload(haproxy.port, '/upload', 1_000, 500), await beginUpload(haproxy.port, '/forms/upload', 1_000, 500)]
  const h2 = await session(haproxy)
  await h2.write(upload('/upload'), data(1, 'hello'))
  await until(() => app.arrived.length === 2, 'what streams has arrived')
  streamed.rst()
  waited.rst()
  await h2.write(rstStream(1))
  t.strictSame(states(await haproxy.logged(3)).map(([, state]) => state).sort(), ['CD', 'CD', 'CR'])
  const records = await app.recorded(2)
  t.match(records, [{ code: 'FST_READ_ABORTED', phase: 'body', statusCode: 499 }, { code: 'FST_READ_ABORTED', phase: 'body', statusCode: 499 }])
  t.strictSame(records.map(({ expected }) => expected).sort(), [1_000, undefined], 'the cut HTTP/2 upload has no length, and is told from a whole one')
  h2.rst()
})

behind('a client that leaves while the handler works is C- in its log and FST_READ_RESPONSE_ABORTED in ours', {}, async ({ t, app, haproxy }) => {
  const clients = [await beginUpload(haproxy.port, '/think', 5, 5), await beginUpload(haproxy.port, '/think', 5, 5)]
  const h2 = await session(haproxy)
  await h2.write(upload('/think'), data(1, 'hello', Flag.END_STREAM))
  await until(() => app.arrived.length === 3, 'they arrive')
  clients[0]?.rst()
  clients[1]?.fin() // half-closed: abortonclose takes that for leaving, too
  await h2.write(rstStream(1))
  t.match((await clients[1]?.closed)?.text, /^HTTP\/1.1 400 /)
  const lines = await haproxy.logged(3)
  t.ok(states(lines).every(([, state]) => state === 'CD' || state === 'CH'), JSON.stringify(states(lines)))
  const records = await app.recorded(3)
  for (const record of records) t.match(record, { code: 'FST_READ_RESPONSE_ABORTED', phase: 'handler', statusCode: 499, answered: false })
  t.strictSame(records.map(({ reqId }) => reqId).sort(), lines.map(({ id }) => id).sort())
  h2.rst()
})

behind('its timeout server is a 504 to the client, and a client that left to the application', { haproxy: { 'timeout server 65s': 'timeout server 1s' } }, async ({ t, app, haproxy }) => {
  const client = await beginUpload(haproxy.port, '/think', 5, 5)
  t.match(await answerTo(client), { statusCode: 504 })
  t.match(await app.recorded(), [{ code: 'FST_READ_RESPONSE_ABORTED', phase: 'handler', blame: 'client_gone' }])
  t.strictSame(states(await haproxy.logged()), [[504, 'sH']])
  client.rst()
})

behind('without abortonclose the application is not told of a client that left', { haproxy: { '  option abortonclose\n': '' } }, async ({ t, app, haproxy }) => {
  const client = await beginUpload(haproxy.port, '/think', 5, 5)
  await until(() => app.arrived.length === 1, 'it arrives')
  client.rst()
  for (let i = 0; i < 5; i++) t.match(await fetch(`http://127.0.0.1:${haproxy.port}/health`), { status: 200 }) // which it sees later than that
  t.same(app.records, [])
})

behind('a client that takes nothing is cut by responseIdleTimeout, and is SD in its log', { guard: { responseIdleTimeout: 700 } }, async ({ t, app, haproxy }) => {
  const client = new RawClient(haproxy.port)
  await client.write(head('GET', '/download', { Connection: 'close' }))
  await client.until(/200 OK/)
  client.socket.pause()
  const [record] = await app.recorded()
  t.match(record, { code: 'FST_READ_RESPONSE_IDLE_TIMEOUT', phase: 'response', statusCode: 499 })
  client.socket.resume()
  t.ok((await client.closed).text.length < LARGE, 'the client sees that it is cut short')
  const lines = await haproxy.logged()
  t.strictSame(states(lines), [[200, 'SD']], 'HAProxy says that it was the server')
  t.equal(lines[0]?.id, record?.reqId)
})

behind('its timeout client ends a client that takes nothing: cD in its log, FST_READ_RESPONSE_ABORTED in ours', { haproxy: { 'timeout client 65s': 'timeout client 1s' } }, async ({ t, app, haproxy }) => {
  const client = new RawClient(haproxy.port)
  await client.write(head('GET', '/download'))
  await client.until(/200 OK/)
  client.socket.pause()
  t.strictSame(states(await haproxy.logged()), [[200, 'cD']])
  t.match(await app.recorded(), [{ code: 'FST_READ_RESPONSE_ABORTED', phase: 'response', statusCode: 499 }])
  client.rst()
})

behind('an HTTP/2 client that takes nothing loses the stream, and keeps its session', { guard: { responseIdleTimeout: 700 } }, async ({ t, app, haproxy }) => {
  const h2 = await session(haproxy)
  await h2.write(headers(1, requestBlock('GET', '/download'), Flag.END_HEADERS | Flag.END_STREAM))
  t.match(await app.recorded(), [{ code: 'FST_READ_RESPONSE_IDLE_TIMEOUT', phase: 'response' }])
  await h2.write(windowUpdate(0, 50_000_000), windowUpdate(1, 50_000_000))
  // HAProxy 2.6 ends it as if it were whole, however the server has ended: the length alone tells.
  t.ok((await h2.answer(1)).body.length < LARGE)
  await h2.write(headers(3, requestBlock('GET', '/health'), Flag.END_HEADERS | Flag.END_STREAM))
  t.match(await h2.answer(3), { statusCode: 200 })
  h2.rst()
})

behind('a client that leaves in mid-response is CD in its log and FST_READ_RESPONSE_ABORTED in ours', {}, async ({ t, app, haproxy }) => {
  const client = new RawClient(haproxy.port)
  await client.write(head('GET', '/download'))
  await client.until(/200 OK/)
  client.rst()
  t.match(await app.recorded(), [{ code: 'FST_READ_RESPONSE_ABORTED', phase: 'response' }])
  t.strictSame(states(await haproxy.logged()), [[200, 'CD']])
})

behind('a stalled client that stays has its 408 from the application, and is kept until its timeout client', { guard: { bodyIdleTimeout: 300 }, haproxy: { 'timeout client 65s': 'timeout client 3s' } }, async ({ t, haproxy }) => {
  const client = await beginUpload(haproxy.port, '/upload', 1_000, 500)
  t.match(await answerTo(client), { statusCode: 408, json: { code: 'FST_READ_BODY_IDLE_TIMEOUT' } })
  t.ok((await client.closed).elapsed >= 2_900)
  t.strictSame(states(await haproxy.logged()), [[408, 'cD']])
})

behind('without a rate of ours a trickling body outlasts all of its timeouts', {
  guard: { minBodyRate: false, bodyIdleTimeout: 0 },
  haproxy: { 'timeout client 65s': 'timeout client 1s', 'timeout server 65s': 'timeout server 1s', 'timeout http-request 20s': 'timeout http-request 1s' }
}, async ({ t, app, haproxy }) => {
  const client = await beginUpload(haproxy.port, '/upload', 1_000, 0)
  await client.trickle(repeat('x', 30), 100) // for three seconds
  t.strictSame([client.socket.destroyed, client.text], [false, ''])
  client.rst()
  t.match(await app.recorded(), [{ code: 'FST_READ_ABORTED', phase: 'body' }])
})

behind('slow heads and silent connections never reach the application', { haproxy: { 'timeout http-request 20s': 'timeout http-request 1s', 'timeout http-keep-alive 60s': 'timeout http-keep-alive 1s' } }, async ({ t, app, haproxy }) => {
  const [slow, silent] = [new RawClient(haproxy.port), new RawClient(haproxy.port)]
  await slow.write('GET /upload HTTP/1.1\r\nHost: localhost\r\n')
  slow.trickle(repeat('X-A: b\r\n', 100), 50)
  t.match(await answerTo(slow), { statusCode: 408, headers: { 'content-type': 'text/html' } })
  const { text, end } = await silent.closed
  t.strictSame([text, end], ['', 'FIN'])
  t.strictSame(states(await haproxy.logged()), [[408, 'cR']], 'the silent connection has no line of its own')
  t.same([app.arrived, app.records], [[], []])
})

/** Connections that have been opened to the application, and those that stand. */
function connectionsOf (server: net.Server): { opened: number, open: number } {
  const count = { opened: 0, open: 0 }
  server.on('connection', (socket) => {
    count.opened++
    count.open++
    socket.on('close', () => { count.open-- })
  })
  return count
}

behind('its health checks that ask leave no record', { haproxy: { 'check inter 2s': 'check inter 50ms' } }, async ({ t, app }) => {
  const count = connectionsOf(app.app.server)
  await until(() => count.opened >= 5 && count.open === 0, 'connections come and go')
  t.same(app.records, [])
})

behind('its health checks that only connect are not even a connection', { haproxy: { 'check inter 2s': 'check inter 50ms', 'option httpchk GET /health': 'option log-health-checks' } }, async ({ t, app, haproxy }) => {
  await until(() => haproxy.messages().includes('Layer4 check passed'), 'a check that only connects')
  const count = connectionsOf(app.app.server)
  await delay(500) // ten of them
  t.equal(count.opened, 0)
  t.same(app.records, [])
})

for (const [claim, trustProxy, rule, ip] of [
  ['with its address set, the record has the client\'s ip', '127.0.0.1', 'set-header X-Forwarded-For %[src]', '127.0.0.2'],
  ['with its address added, the record has the client\'s ip where the proxy alone is trusted', '127.0.0.1', 'add-header X-Forwarded-For %[src]', '127.0.0.2'],
  ['with its address added, trustProxy: true believes what the client says of itself', true, 'add-header X-Forwarded-For %[src]', '6.6.6.6']
] as const) {
  behind(claim, { guard: { bodyIdleTimeout: 200 }, server: { trustProxy }, haproxy: { 'set-header X-Forwarded-For %[src]': rule } }, async ({ t, app, haproxy }) => {
    const over = net.connect({ port: haproxy.port, host: '127.0.0.1', localAddress: '127.0.0.2', allowHalfOpen: true })
    const client = new RawClient(haproxy.port, { over })
    await client.write(head('POST', '/upload', { ...octets, 'Content-Length': 10, 'X-Forwarded-For': '6.6.6.6' }) + 'hello')
    t.match(await app.recorded(), [{ ip, remoteAddress: '127.0.0.1' }])
    client.rst()
  })
}

behind('refusals between good requests cost no client its answer, and the next request a new connection', { guard: { bodyLimit: 10 } }, async ({ t, app, haproxy }) => {
  const client = new RawClient(haproxy.port)
  for (const size of [5, 100, 5, 100, 5]) {
    client.text = ''
    await client.write(head('POST', '/upload', { ...octets, 'Content-Length': size }) + 'x'.repeat(size))
    t.match(await answerTo(client), { statusCode: size > 10 ? 413 : 200 })
  }
  const [first, second, third, fourth, fifth] = app.arrived.map(({ remotePort }) => remotePort)
  t.strictSame([first === second, second === third, third === fourth, fourth === fifth], [true, false, true, false], 'HAProxy keeps its connections until one is refused')
  client.rst()
})

behind('idle connections that the application closes first cost nothing by themselves', { server: { keepAliveTimeout: 300 } }, async ({ t, app, haproxy }) => {
  const client = new RawClient(haproxy.port)
  for (let i = 0; i < 2; i++) {
    client.text = ''
    await client.write(head('POST', '/upload', { ...octets, 'Content-Length': 5 }) + 'hello')
    t.match(await answerTo(client), { statusCode: 200 })
    await until(async () => await new Promise((resolve) => app.app.server.getConnections((_error, count) => resolve(count === 0))), 'it has closed')
  }
  t.same(app.records, [])
  client.rst()
})
