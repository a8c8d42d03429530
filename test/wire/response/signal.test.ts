import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { addAbortSignal, PassThrough, Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as wait } from 'node:timers/promises'
import type { FastifyInstance, FastifyRequest, FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import { guardedApp } from '../../support/app/guarded-app.js'
import { head, onlyAnswer, RawClient } from '../../support/client/raw-client.js'
import { until } from '../../support/oracle/until.js'

/*
 * `request.readGuard.signal`.
 */

t.jobs = 8

const JSON_BODY = head('POST', '/', { 'Content-Type': 'application/json', 'Content-Length': 4 }) + '"ab"'
const UPLOAD = head('POST', '/', { 'Content-Type': 'text/x-any', 'Content-Length': 10 }) + 'half'

/** An application with one route that handles as it is told. */
async function handling (t: Test, handler: (request: FastifyRequest) => unknown, guard = {}): Promise<{ readonly app: FastifyInstance, readonly port: number, readonly leave: (bytes: string) => Promise<RawClient>, readonly codes: string[] }> {
  let handled = 0
  const codes: string[] = []
  const { app, port } = await guardedApp({
    t,
    guard: { resolution: 50, ...guard, onAbort: ({ code }) => { codes.push(code) } },
    routes: (app) => {
      app.addContentTypeParser('text/x-any', (_request, payload, done) => done(null, payload))
      app.all('/', async (request) => {
        handled++
        return await handler(request)
      })
    }
  })
  const leave = async (bytes: string): Promise<RawClient> => {
    const before = handled
    const client = new RawClient(port)
    await client.write(bytes)
    await until(() => handled > before, 'the handler works')
    client.rst()
    return client
  }
  return { app, port, leave, codes }
}

const phases = [
  ['body', UPLOAD, 'FST_READ_ABORTED'],
  ['handler', JSON_BODY, 'FST_READ_RESPONSE_ABORTED'],
  ['handler', head('GET', '/'), 'FST_READ_RESPONSE_ABORTED']
] as const

for (const [phase, bytes, code] of phases) {
  t.test(`it is aborted with the error when a client of ${bytes.slice(0, 4).trim()} leaves in ${phase}`, async (t) => {
    const reasons: unknown[] = []
    const { leave, codes } = await handling(t, (request) => new Promise((resolve) => {
      const { signal } = request.readGuard
      t.equal(request.readGuard.phase, phase)
      t.equal(request.readGuard.signal, signal, 'it is one')
      signal.addEventListener('abort', () => {
        reasons.push(signal.reason)
        resolve(undefined)
      })
    }))
    await leave(bytes)
    await until(() => reasons.length === 1, 'it is aborted')
    t.match(reasons, [{ code, phase }])
    t.ok(reasons[0] instanceof Error)
    t.strictSame(codes, [code])
  })
}

t.test('it is aborted while the response is on its way', async (t) => {
  const signals: AbortSignal[] = []
  const { port, codes } = await handling(t, (request) => {
    signals.push(request.readGuard.signal)
    return new Readable({ read () { this.push(Buffer.alloc(65_536)) } })
  })
  const client = new RawClient(port)
  await client.write(head('GET', '/'))
  await client.until(/\r\n\r\n/)
  t.match(signals, [{ aborted: false }])
  client.rst()
  await until(() => signals[0]?.aborted === true, 'it is aborted')
  t.match(signals, [{ reason: { code: 'FST_READ_RESPONSE_ABORTED', phase: 'response' } }])
  t.strictSame(codes, ['FST_READ_RESPONSE_ABORTED'])
})

/** When `request.signal` is asked for: Fastify makes it then, or for a limit of its own with the request. */
const makings = { 'it is asked for': {}, '`handlerTimeout` is set': { handlerTimeout: 60_000 } } as const

for (const [making, options] of Object.entries(makings)) {
  for (const http2 of [false, true]) {
    t.test(`Fastify's own signal, made where ${making}, is aborted when the client of ${http2 ? 'a stream' : 'a connection'} leaves`, async (t) => {
      const handled: FastifyRequest[] = []
      const aborted: string[] = []
      const { port } = await guardedApp({
        t,
        fastify: { ...options, ...(http2 && { http2 }) } as FastifyServerOptions, // `http2: true` makes another type of it
        guard: { resolution: 50 },
        routes: (app) => {
          function keep (request: FastifyRequest): void {
            handled.push(request)
            request.signal.addEventListener('abort', () => { aborted.push(request.url) })
          }
          app.get('/waits', (request) => {
            keep(request)
            return new Promise(() => {})
          })
          app.get('/sends', (request) => {
            keep(request)
            return new Readable({ read () { this.push(Buffer.alloc(65_536)) } })
          })
          app.get('/answers', async (request) => {
            keep(request)
            return 'answer'
          })
        }
      })
      for (const url of ['/waits', '/sends']) {
        const before = handled.length
        if (http2) {
          const session = connect(`http://127.0.0.1:${port}`).on('error', () => {})
          session.request({ ':path': url }).on('error', () => {}).resume()
          await until(() => handled.length > before, 'the handler works')
          session.destroy()
        } else {
          const client = new RawClient(port)
          await client.write(head('GET', url))
          await until(() => handled.length > before, 'the handler works')
          client.rst()
        }
        await until(() => aborted.includes(url), `it is aborted: ${url}`)
      }
      t.strictSame(aborted, ['/waits', '/sends'], 'once each')
      if (http2) return
      const client = new RawClient(port)
      await client.write(head('GET', '/answers'))
      await client.until(/answer$/)
      client.rst()
      await once(client.socket, 'close')
      t.equal(handled.at(-1)?.signal.aborted, false, 'an answer that was given is none that failed')
    })
  }
}

t.test('it is aborted when a limit is passed', async (t) => {
  const signals: AbortSignal[] = []
  const { port, codes } = await handling(t, async (request) => {
    signals.push(request.readGuard.signal)
    return await request.readRawBody()
  }, { bodyIdleTimeout: 200 })
  const client = new RawClient(port)
  await client.write(UPLOAD)
  await client.until(/408/)
  t.match(signals, [{ aborted: true, reason: { code: 'FST_READ_BODY_IDLE_TIMEOUT' } }])
  t.strictSame(codes, ['FST_READ_BODY_IDLE_TIMEOUT'])
})

t.test('asked for after the failure, it is aborted', async (t) => {
  const requests: FastifyRequest[] = []
  const { leave, codes } = await handling(t, (request) => {
    requests.push(request)
    return new Promise(() => {})
  })
  await leave(JSON_BODY)
  await until(() => codes.length === 1, 'the client has left')
  t.match(requests[0]?.readGuard.signal, { aborted: true, reason: { code: 'FST_READ_RESPONSE_ABORTED' } })
})

t.test('it is never aborted after the exchange has succeeded, whatever becomes of its client', async (t) => {
  const signals: AbortSignal[] = []
  const { app, port } = await handling(t, (request) => {
    signals.push(request.readGuard.signal)
    return 'done'
  })
  for (const bytes of [head('GET', '/'), JSON_BODY]) {
    const client = new RawClient(port)
    await client.write(bytes)
    await client.until(/done$/)
    await client.write(bytes)
    await client.until(/done[^]*done$/)
    client.rst()
  }
  await until(() => new Promise((resolve) => { app.server.getConnections((_error, count) => resolve(count === 0)) }), 'the connections are closed')
  t.equal(signals.length, 4)
  t.ok(signals.every(({ aborted }) => !aborted))
})

t.test('fifty users of one signal make no warning', async (t) => {
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => { warnings.push(warning) }
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  let aborted = 0
  const { leave } = await handling(t, (request) => Promise.all(Array.from({ length: 50 }, async () => {
    try {
      await wait(60_000, undefined, { signal: request.readGuard.signal })
    } catch {
      aborted++
    }
  })))
  await leave(JSON_BODY)
  await until(() => aborted === 50, 'all are told')
  await new Promise(setImmediate)
  // Others are about how tests are loaded.
  t.strictSame(warnings.filter(({ name }) => name === 'MaxListenersExceededWarning'), [])
})

t.test('it ends a fetch', async (t) => {
  const upstreams: ServerResponse[] = []
  const upstream = createServer((_request, response) => { upstreams.push(response) }).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  t.teardown(() => upstream.close())
  const { port } = upstream.address() as AddressInfo
  let thrown: unknown
  const { port: ours, codes } = await handling(t, async (request) => {
    try {
      await fetch(`http://127.0.0.1:${port}/`, { signal: request.readGuard.signal })
    } catch (error) {
      thrown = error
      throw error
    }
  })
  const client = new RawClient(ours)
  await client.write(JSON_BODY)
  await until(() => upstreams.length === 1, 'it is fetched')
  client.rst()
  await until(() => thrown !== undefined, 'the fetch fails')
  t.match(thrown, { code: 'FST_READ_RESPONSE_ABORTED' }, 'with the error itself')
  await until(() => upstreams[0]?.destroyed === true, 'the request to the other server is ended')
  t.strictSame(codes, ['FST_READ_RESPONSE_ABORTED'], 'the error that the handler throws makes no other record')
})

t.test('it ends a pipeline', async (t) => {
  const source = new PassThrough()
  let thrown: unknown
  const { leave } = await handling(t, async (request) => {
    await pipeline(source, new Writable({ write (_chunk, _encoding, done) { done() } }), { signal: request.readGuard.signal }).catch((error: unknown) => { thrown = error })
  })
  await leave(JSON_BODY)
  await until(() => thrown !== undefined, 'the pipeline fails')
  t.match(thrown, { name: 'AbortError', cause: { code: 'FST_READ_RESPONSE_ABORTED' } })
  t.equal(source.destroyed, true)
})

const consumers: ReadonlyArray<readonly [how: string, read: (request: FastifyRequest) => Promise<unknown>, statusCode: number]> = [
  ['a pipeline', ({ raw, readGuard: { signal } }) => pipeline(raw, new Writable({ write (_chunk, _encoding, done) { done() } }), { signal }), 408],
  ['a loop', async ({ raw, readGuard: { signal } }) => {
    for await (const data of addAbortSignal(signal, raw)) String(data)
  }, 408],
  ['one that destroys the request and answers', ({ raw, readGuard: { signal } }) => new Promise((resolve) => {
    raw.resume()
    signal.addEventListener('abort', () => {
      raw.destroy()
      resolve('own')
    })
  }), 200]
]

for (const [how, read, statusCode] of consumers) {
  t.test(`a body that stalls is answered where the signal ends what reads it: ${how}`, async (t) => {
    const { port, codes } = await handling(t, read, { bodyIdleTimeout: 200, linger: { timeout: 200 } })
    const client = new RawClient(port)
    await client.write(UPLOAD)
    t.match(onlyAnswer(await client.closed), { statusCode, ...(statusCode === 408 ? { json: { code: 'FST_READ_BODY_IDLE_TIMEOUT' } } : { body: 'own' }) })
    t.strictSame(codes, ['FST_READ_BODY_IDLE_TIMEOUT'])
  })
}

t.test('it cancels what has a cancel function', async (t) => {
  let cancelled: unknown
  const { leave } = await handling(t, (request) => new Promise((_resolve, reject) => {
    const { signal } = request.readGuard
    signal.addEventListener('abort', () => {
      const reason = signal.reason as Error // always ours
      cancelled = reason
      reject(reason)
    }, { once: true })
  }))
  await leave(JSON_BODY)
  await until(() => cancelled !== undefined, 'it is cancelled')
  t.match(cancelled, { code: 'FST_READ_RESPONSE_ABORTED' })
})
