import t, { type Test } from 'tap'
import type { ReadGuardOptions } from '../../lib/index.js'
import { guardedApp, noise, type GuardedAppWith } from '../support/app/guarded-app.js'
import { type Http2Kind, http2Kinds } from '../support/app/http2-consumers.js'
import { responseRoutes, type ResponseFacts } from '../support/app/response-routes.js'
import { Http2Client } from '../support/client/http2-client.js'
import { data, Flag, headers, requestBlock, rstStream, windowUpdate } from '../support/client/http2-frames.js'
import { delay } from '../support/client/raw-client.js'
import { deserted, quiet } from '../support/oracle/server-state.js'
import { until } from '../support/oracle/until.js'

/*
 * Clients that leave when their request has come whole, or do not take its response.
 */

t.jobs = 8

const LIMIT = 600
const CANCEL = 8
const BODY = '"ab"'
const INITIAL_WINDOW_SIZE = 4

interface Parties extends GuardedAppWith<ResponseFacts> {
  readonly client: Http2Client
}

async function parties (t: Test, kind: Http2Kind, guard: ReadGuardOptions = {}, settings: Readonly<Record<number, number>> = {}): Promise<Parties> {
  const guarded = await guardedApp<ResponseFacts>({ t, protocol: kind.protocol, guard: { responseIdleTimeout: LIMIT, resolution: 50, ...guard }, routes: responseRoutes })
  const client = await new Http2Client(guarded.port, { tls: kind.tls, stays: true }).open(settings)
  t.teardown(() => { client.raw.socket.destroy() })
  return { ...guarded, client }
}

function ask (stream: number, method: string, url: string): Buffer {
  if (method === 'GET') return headers(stream, requestBlock('GET', url), Flag.END_HEADERS | Flag.END_STREAM)
  return Buffer.concat([headers(stream, requestBlock(method, url, { 'content-type': 'application/json' })), data(stream, BODY, Flag.END_STREAM)])
}

const leaving: ReadonlyArray<readonly [string, (client: Http2Client) => unknown]> = [
  ['an RST_STREAM', (client) => client.write(rstStream(1, CANCEL))],
  ['a FIN', (client) => client.raw.fin()],
  ['an RST', (client) => client.rst()]
]

/** As the others, on the second stream. */
function leave3 (how: string, leave: (client: Http2Client) => unknown, client: Http2Client): unknown {
  return how === 'an RST_STREAM' ? client.write(rstStream(3, CANCEL)) : leave(client)
}

for (const kind of http2Kinds) {
  for (const [how, leave] of leaving) {
    for (const method of ['GET', 'POST']) {
      t.test(`${kind.name}: a client of a ${method} that leaves with ${how} while the handler works has one record, and the status of one that left`, async (t) => {
        const { app, client, records, recorded, begun, outcomes, answer, log } = await parties(t, kind)
        await client.write(ask(1, method, '/slow'))
        await until(() => begun.length === 1, 'the handler works')
        const signal = begun[0]?.readGuard.signal
        await leave(client)
        t.hasStrict((await recorded())[0], {
          code: 'FST_READ_RESPONSE_ABORTED', reason: 'response_aborted', blame: 'client_gone', phase: 'handler', statusCode: 499, answered: false, sent: undefined, received: method === 'GET' ? 0 : BODY.length, method, url: '/slow', route: '/slow', ip: '127.0.0.1', protocol: 'h2', tls: kind.tls
        })
        t.match(signal, { aborted: true, reason: { code: 'FST_READ_RESPONSE_ABORTED' } })
        await until(() => outcomes.length === 1, 'onResponse')
        t.strictSame(outcomes, [{ url: '/slow', statusCode: 499, rawStatusCode: 499 }])
        t.strictSame(log.filter(({ msg }) => msg === 'request completed').map(({ res }) => (res as { statusCode: number }).statusCode), [499])
        answer()
        client.raw.socket.destroy()
        await deserted(app)
        await delay(50)
        t.equal(records.length, 1)
        t.equal(outcomes.length, 1)
        t.strictSame(noise(log), [])
      })
    }

    for (const url of ['/large', '/endless']) {
      t.test(`${kind.name}: a client that leaves ${url} with ${how} has one record, and the status that was sent`, async (t) => {
        const { app, client, records, recorded, outcomes, destroyed } = await parties(t, kind)
        await client.write(ask(1, 'GET', url))
        await client.until(() => client.peek(1).body.length > 0, 'it has begun')
        await leave(client)
        t.hasStrict((await recorded())[0], { code: 'FST_READ_RESPONSE_ABORTED', phase: 'response', statusCode: 499, url })
        if (url === '/endless') await until(() => destroyed.length === 1, 'the stream is released')
        await until(() => outcomes.length === 1, 'onResponse')
        t.strictSame(outcomes, [{ url, statusCode: 200, rawStatusCode: 200 }])
        client.raw.socket.destroy()
        await deserted(app)
        t.equal(records.length, 1)
      })
    }

    t.test(`${kind.name}: a client that leaves an event stream with ${how} has had it`, async (t) => {
      const { app, client, records } = await parties(t, kind)
      await client.write(ask(1, 'GET', '/streamed-events'))
      await client.until(() => client.peek(1).body.length > 0, 'it has begun')
      await leave(client)
      client.raw.socket.destroy()
      await deserted(app)
      t.strictSame(records, [])
    })

    t.test(`${kind.name}: a client that leaves with ${how} when it has its response has no record`, async (t) => {
      const { app, client, records, outcomes } = await parties(t, kind)
      await client.write(ask(1, 'POST', '/fast'))
      await client.answer(1)
      await leave(client)
      client.raw.socket.destroy()
      await deserted(app)
      t.strictSame(records, [])
      t.strictSame(outcomes, [{ url: '/fast', statusCode: 200, rawStatusCode: 200 }])
    })
  }

  t.test(`${kind.name}: each stream of a session that is lost has its record`, async (t) => {
    const { client, records, begun, recorded, app } = await parties(t, kind)
    await client.write(...[1, 3, 5].map(stream => ask(stream, stream === 3 ? 'POST' : 'GET', '/slow')))
    await until(() => begun.length === 3, 'the handlers work')
    client.rst()
    await recorded(3)
    await deserted(app)
    t.strictSame(records.map(({ code, phase }) => [code, phase]), Array.from({ length: 3 }, () => ['FST_READ_RESPONSE_ABORTED', 'handler']))
    t.equal(new Set(records.map(({ reqId }) => reqId)).size, 3)
  })

  for (const url of ['/large', '/endless', '/fast']) {
    t.test(`${kind.name}: a client that opens no window for ${url} is given up: the stream is reset, and the session lives on`, async (t) => {
      const { client, records, recorded, destroyed, app } = await parties(t, kind, {}, { [INITIAL_WINDOW_SIZE]: 0 })
      await client.write(ask(1, 'GET', url))
      const [record] = await recorded()
      t.hasStrict(record, { code: 'FST_READ_RESPONSE_IDLE_TIMEOUT', reason: 'response_idle_timeout', blame: 'client_slow', phase: 'response', statusCode: 499, limit: LIMIT, url })
      t.ok(record !== undefined && record.idle >= LIMIT && record.idle <= LIMIT + 250, `${record?.idle} ms`)
      if (url === '/endless') await until(() => destroyed.length === 1, 'the stream is released')
      await client.until(() => client.peek(1).reset !== undefined, 'it is reset')
      await client.write(ask(3, 'GET', '/fast'))
      await client.until(() => client.peek(3).statusCode === 200, 'the session lives on')
      await client.write(windowUpdate(3, 1_000))
      t.equal((await client.answer(3)).body, 'fast')
      await quiet(app)
      t.equal(records.length, 1)
    })
  }

  t.test(`${kind.name}: PINGs take nothing of a response`, async (t) => {
    const { client, recorded } = await parties(t, kind, {}, { [INITIAL_WINDOW_SIZE]: 0 })
    await client.write(ask(1, 'GET', '/large'))
    const ping = Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8])
    const pings = setInterval(() => { client.write(ping).catch(() => {}) }, 50)
    t.match(await recorded(), [{ code: 'FST_READ_RESPONSE_IDLE_TIMEOUT' }])
    clearInterval(pings)
  })

  t.test(`${kind.name}: a client that opens its window in steps has its response`, async (t) => {
    const { client, records } = await parties(t, kind, {}, { [INITIAL_WINDOW_SIZE]: 0 })
    await client.write(ask(1, 'GET', '/fast'))
    // nghttp2 ends the stream when there is room for more.
    for (let taken = 0; taken <= 4; taken++) {
      await delay(LIMIT / 2)
      await client.write(windowUpdate(1, 1))
    }
    t.match(await client.answer(1), { body: 'fast', reset: undefined })
    t.strictSame(records, [])
  })

  t.test(`${kind.name}: a client that opens no window for the last byte is given up`, async (t) => {
    const { client, recorded } = await parties(t, kind, {}, { [INITIAL_WINDOW_SIZE]: 3 })
    await client.write(ask(1, 'GET', '/fast'))
    t.match(await recorded(), [{ code: 'FST_READ_RESPONSE_IDLE_TIMEOUT', url: '/fast' }])
  })

  t.test(`${kind.name}: a silent event stream, and a long poll, wait for nobody`, async (t) => {
    const { client, records, answer } = await parties(t, kind, { responseIdleTimeout: 100, minResponseRate: { bytesPerSecond: 1_000_000, gracePeriod: 100 } })
    await client.write(ask(1, 'GET', '/streamed-events'), ask(3, 'GET', '/slow'))
    await client.until(() => client.peek(1).body.length > 0, 'it has begun')
    await delay(1_000)
    answer()
    t.equal((await client.answer(3)).body, 'late')
    t.equal(client.peek(1).reset, undefined)
    t.strictSame(records, [])
  })

  t.test(`${kind.name}: of a response that was cut, sent is what was taken, where no other stream was open`, async (t) => {
    const WINDOW = 60_000
    for (const url of ['/large', '/endless']) {
      for (const [how, leave] of leaving) {
        const { client, recorded } = await parties(t, kind, {}, { [INITIAL_WINDOW_SIZE]: WINDOW })
        await client.write(ask(1, 'GET', '/fast'))
        await client.answer(1)
        await client.write(ask(3, 'GET', url))
        await client.until(() => client.peek(3).body.length === WINDOW, 'the window is used up')
        await delay(100)
        await leave3(how, leave, client)
        const [record] = await recorded()
        t.ok(record?.sent !== undefined && record.sent >= WINDOW && record.sent < WINDOW + 2_000, `${url}, ${how}: ${record?.sent} bytes`)
        client.raw.socket.destroy()
      }
    }
  })

  t.test(`${kind.name}: sent is undefined where what was taken may be of another stream, and where nothing had begun`, async (t) => {
    const { client, recorded, begun } = await parties(t, kind, {}, { [INITIAL_WINDOW_SIZE]: 1_000 })
    await client.write(ask(1, 'GET', '/large'), ask(3, 'GET', '/fast'), ask(5, 'GET', '/slow'))
    await client.answer(3)
    await until(() => begun.length === 3, 'the handlers work')
    await client.write(rstStream(1, CANCEL), rstStream(5, CANCEL))
    t.strictSame((await recorded(2)).map(({ phase, sent }) => [phase, sent]).sort(), [['handler', undefined], ['response', undefined]])
  })
}
