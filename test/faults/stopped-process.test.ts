import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { ownProcess } from '../support/app/own-process.js'
import { Http2Client } from '../support/client/http2-client.js'
import { data, Flag, headers, requestBlock } from '../support/client/http2-frames.js'
import { chunk, head, parseAnswers, RawClient, type Seen } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'

/*
 * The process is stopped (SIGSTOP: a debugger, a machine that is suspended) for longer than any limit. Those whose bytes came in the meantime
 * are not blamed, nor are those that had nothing to send or to take; those that are slow afterwards are. `FAULTS_STOP_MS` says for how long.
 */

t.jobs = 3

const STOPPED = Number(process.env.FAULTS_STOP_MS ?? 4_000)
const LIMIT = 1_000
const guard = {
  handshakeTimeout: LIMIT,
  headersTimeout: LIMIT,
  minHeadersRate: { bytesPerSecond: 10, gracePeriod: LIMIT },
  bodyIdleTimeout: LIMIT,
  minBodyRate: { bytesPerSecond: 10, gracePeriod: LIMIT },
  responseIdleTimeout: LIMIT,
  minResponseRate: { bytesPerSecond: 1_000, gracePeriod: LIMIT },
  resolution: 50
}
const LARGE = 24_000_000
const type = { 'Content-Type': 'text/plain' }
const upload = head('POST', '/', { ...type, 'Content-Length': 20, Connection: 'close' })
const chunked = head('POST', '/', { ...type, 'Transfer-Encoding': 'chunked', Connection: 'close' })

/** What each client that is to be served sends before the process is stopped, and while it is. */
const good: Readonly<Record<string, readonly [before: string, meanwhile: string]>> = {
  'in its head': [upload.slice(0, 40), `${upload.slice(40)}${'x'.repeat(20)}`],
  'before its body': [upload, 'x'.repeat(20)],
  'in its body': [upload + 'x', 'x'.repeat(19)],
  'in a chunked body': [chunked + chunk('x'), `${chunk('x'.repeat(19))}0\r\n\r\n`],
  'in a later head': [`${head('GET', '/')}PO`, `${upload.slice(2)}${'x'.repeat(20)}`],
  'before its first byte': ['', `${upload}${'x'.repeat(20)}`]
}

/** Those that are still slow when the process goes on. */
const slow: Readonly<Record<string, string>> = {
  FST_READ_HEADERS_TIMEOUT: upload.slice(0, 40),
  FST_READ_BODY_IDLE_TIMEOUT: upload + 'x'.repeat(15)
}

function lastBody ({ text }: Seen): string | undefined {
  return parseAnswers(text).at(-1)?.body
}

for (const protocol of ['http', 'https'] as const) {
  t.test(`no client is blamed for a process that is stopped for ${STOPPED} ms, over ${protocol}`, { timeout: STOPPED * 2 + 60_000 }, async (t) => {
    const tls = protocol === 'https'
    const server = await ownProcess(t, { protocol, guard })
    const connect = async (): Promise<RawClient> => {
      const client = new RawClient(server.port, { tls })
      await client.ready()
      return client
    }
    const sending = await Promise.all(Object.entries(good).map(async ([name, bytes]) => [name, await connect(), bytes] as const))
    const stalling = await Promise.all(Object.entries(slow).map(async ([code, bytes]) => [code, await connect(), bytes] as const))
    const [idle, taking, events] = await Promise.all([connect(), connect(), connect()])
    await idle.write(head('GET', '/'))
    await idle.until(/fine$/)
    await events.write(head('GET', '/events'))
    await events.until(/begun/)
    // It takes nothing of a response that waits for it, and goes on when the process does.
    await taking.write(head('GET', '/large', { Connection: 'close' }))
    await taking.until(/\r\n\r\n/)
    taking.socket.pause()
    for (const [, client, [before]] of sending) await client.write(before)
    for (const [, client, before] of stalling) await client.write(before)
    await until(async () => {
      const { headers = 0, body = 0, response } = (await server.facts()).reading
      return headers + body >= 6 && response === 1
    }, 'all are read, and one response waits')
    server.child.kill('SIGSTOP')
    const began = performance.now()
    await delay(STOPPED / 2)
    for (const [, client, [, meanwhile]] of sending) await client.write(meanwhile)
    await delay(STOPPED / 2)
    server.child.kill('SIGCONT')
    const stopped = performance.now() - began
    taking.socket.resume()
    for (const [name, client] of sending) t.equal(lastBody(await client.closed), '{"bytes":20}', `one that was ${name} is served`)
    t.equal(parseAnswers((await taking.closed).text)[0]?.body.length, LARGE, 'one that takes its response has it')
    for (const [code, client] of stalling) t.equal(parseAnswers((await client.closed).text)[0]?.json.code, code, 'one that stalls is ended')
    await idle.write(head('GET', '/'))
    await idle.until(/fine.*fine$/s)
    t.equal(events.socket.destroyed, false, 'an event stream goes on')
    const { records } = await server.facts()
    t.strictSame(records.map(({ code }) => code).sort(), Object.keys(slow).sort(), 'those that stall have the only records')
    for (const { code, elapsed, paused } of records) {
      t.ok(elapsed >= LIMIT && elapsed < LIMIT * 2, `${code}: ${elapsed} ms count`)
      t.ok(paused > stopped - LIMIT, `${code}: ${paused} ms do not`)
    }
    events.rst()
    idle.fin()
    t.equal(await server.end(), 0)
  })
}

t.test(`no stream is blamed for a process that is stopped for ${STOPPED} ms, over HTTP/2`, { timeout: STOPPED * 2 + 60_000 }, async (t) => {
  const server = await ownProcess(t, { protocol: 'h2', guard })
  const client = await new Http2Client(server.port, { tls: true }).open({ 4: 100_000 })
  const idle = await new Http2Client(server.port, { tls: true }).open()
  const post = (stream: number): Buffer => headers(stream, requestBlock('POST', '/', { 'content-type': 'text/plain', 'content-length': '20' }))
  await client.write(post(1), data(1, 'x'), post(3), data(3, 'x'.repeat(15)), headers(5, requestBlock('GET', '/events'), Flag.END_HEADERS | Flag.END_STREAM))
  await client.until(() => client.peek(5).body.includes('begun'), 'the event stream')
  await until(async () => (await server.facts()).reading.body === 2, 'both bodies are read')
  server.child.kill('SIGSTOP')
  await delay(STOPPED / 2)
  const finished = client.write(data(1, 'x'.repeat(19), Flag.END_STREAM))
  // What comes to be in the middle of the stop is a handshake whose bytes lie in the kernel.
  const late = new Http2Client(server.port, { tls: true })
  await finished
  await delay(STOPPED / 2)
  server.child.kill('SIGCONT')
  t.equal((await client.answer(1)).body, '{"bytes":20}')
  t.equal((await client.answer(3)).json.code, 'FST_READ_BODY_IDLE_TIMEOUT')
  for (const other of [idle, await late.open()]) {
    await other.write(headers(1, requestBlock('GET', '/'), Flag.END_HEADERS | Flag.END_STREAM))
    t.equal((await other.answer(1)).body, 'fine')
  }
  t.equal(client.peek(5).ended, false, 'an event stream goes on')
  t.strictSame((await server.facts()).records.map(({ code }) => code), ['FST_READ_BODY_IDLE_TIMEOUT'])
  for (const { raw } of [client, idle, late]) raw.socket.destroy()
  t.equal(await server.end(), 0)
})
