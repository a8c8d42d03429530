import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { guardedApp, type GuardedApp } from '../../support/app/guarded-app.js'
import { chunk, head, onlyAnswer, parseAnswers, RawClient } from '../../support/client/raw-client.js'
import { connectionsOf } from '../../support/oracle/server-state.js'
import { until } from '../../support/oracle/until.js'

t.jobs = 8

const HEAD = 300
const BODY = 300
/** Longer than any limit here. */
const LONG = 900

type Listener = (request: IncomingMessage, response: ServerResponse) => void

/** What a foreign listener does with what is its own: answers after as many milliseconds as the path says, and reads no body. */
function answerForeign (request: IncomingMessage, response: ServerResponse): void {
  const wait = Number(request.url?.split('/')[2])
  if (wait > 0) setTimeout(() => response.end('theirs'), wait)
  else response.end('theirs')
}

function isForeign ({ url }: IncomingMessage): boolean {
  return url?.startsWith('/theirs') === true
}

/** How others come to have requests before Fastify. */
const takeovers: Readonly<Record<string, (server: Server) => void>> = {
  // engine.io, socket.io
  'one listener in the place of all': (server) => {
    const listeners = server.listeners('request') as Listener[]
    server.removeAllListeners('request')
    server.on('request', (request, response) => {
      if (isForeign(request)) answerForeign(request, response)
      else for (const listener of listeners) listener.call(server, request, response)
    })
  },
  // terminus
  'one in the place of each': (server) => {
    for (const listener of server.listeners('request') as Listener[]) {
      server.removeListener('request', listener)
      server.on('request', async (request: IncomingMessage, response: ServerResponse) => {
        if (isForeign(request)) answerForeign(request, response)
        else listener(request, response)
      })
    }
  },
  'one that thinks before it passes a request on': (server) => {
    const listeners = server.listeners('request') as Listener[]
    server.removeAllListeners('request')
    server.on('request', (request, response) => {
      setTimeout(() => {
        if (isForeign(request)) answerForeign(request, response)
        else for (const listener of listeners) listener.call(server, request, response)
      }, 20)
    })
  },
  // tracing agents
  'another emit': (server) => {
    const { emit } = server
    server.emit = function (this: Server, event: string, ...given: unknown[]): boolean {
      const [request, response] = given as [IncomingMessage, ServerResponse]
      if (event !== 'request' || !isForeign(request)) return Reflect.apply(emit, this, [event, ...given]) as boolean
      answerForeign(request, response)
      return true
    } as Server['emit']
  }
}

function routes (app: FastifyInstance): void {
  app.addContentTypeParser('a/b', (_request, _payload, done) => { done(null) })
  app.get('/ours', async () => 'ours')
  app.post('/ours', async (request) => {
    let bytes = 0
    for await (const part of request.raw) bytes += (part as Buffer).length
    return `ours ${bytes}`
  })
}

async function foreignApp (t: Test, takeOver: (server: Server) => void, when: 'before' | 'after'): Promise<GuardedApp> {
  const guarded = await guardedApp({
    guard: { headersTimeout: HEAD, bodyIdleTimeout: BODY, bodyLimit: 1_000, resolution: 50, linger: { timeout: 200 } },
    before: (app) => { if (when === 'before') takeOver(app.server as Server) },
    routes: (app) => {
      if (when === 'after') takeOver(app.server as Server)
      routes(app)
    }
  })
  t.teardown(() => guarded.app.close())
  return guarded
}

const body = { 'Content-Type': 'a/b', 'Content-Length': 10 } as const

for (const [how, takeOver] of Object.entries(takeovers)) {
  for (const when of ['before', 'after'] as const) {
    const named = `${how}, ${when} the guard`

    t.test(`what is theirs is not judged: ${named}`, async (t) => {
      const guarded = await foreignApp(t, takeOver, when)
      const innocents: Readonly<Record<string, (client: RawClient) => Promise<void>>> = {
        'a long poll': async (client) => {
          await client.write(head('GET', `/theirs/${LONG}`))
          await client.until(/theirs/)
        },
        'silence after an answer that came at once': async (client) => {
          await client.write(head('GET', '/theirs/0'))
          await client.until(/theirs/)
          await delay(LONG)
        },
        'a long poll after one of ours': async (client) => {
          await client.write(head('GET', '/ours'))
          await client.until(/ours/)
          await client.write(head('GET', `/theirs/${LONG}`))
          await client.until(/theirs/)
        },
        'a body that stalls': async (client) => {
          await client.write(head('POST', `/theirs/${LONG}`, body) + 'xx')
          await delay(HEAD + BODY)
          await client.write('x'.repeat(8))
          await client.until(/theirs/)
        },
        'a chunked body that is large': async (client) => {
          await client.write(head('POST', `/theirs/${LONG}`, { 'Transfer-Encoding': 'chunked' }))
          for (let i = 0; i < 10; i++) {
            await client.write(chunk('x'.repeat(500)))
            await delay(LONG / 20)
          }
          await client.write('0\r\n\r\n')
          await client.until(/theirs/)
        },
        'ours and theirs in turn': async (client) => {
          for (let i = 0; i < 3; i++) {
            await client.write(head('GET', '/ours'))
            await client.until(new RegExp(`(?:ours[^]*){${i + 1}}`))
            await client.write(head('POST', '/theirs/0', body) + 'x'.repeat(10))
            await client.until(new RegExp(`(?:theirs[^]*){${i + 1}}`))
            await delay(HEAD / 2)
          }
        }
      }
      await Promise.all(Object.entries(innocents).map(async ([name, act]) => {
        const client = new RawClient(guarded.port)
        await client.connected()
        await act(client)
        t.equal(client.socket.destroyed, false, `${name}: the connection stands`)
        await client.write(head('GET', '/ours', { Connection: 'close' }))
        const answers = parseAnswers((await client.closed).text)
        t.ok(answers.every(({ statusCode }) => statusCode === 200), `${name}: every answer is its own`)
        t.equal(answers.at(-1)?.body, 'ours', name)
      }))
      t.same(guarded.records, [])
    })

    t.test(`what reaches Fastify is guarded: ${named}`, async (t) => {
      const guarded = await foreignApp(t, takeOver, when)
      const stalled = new RawClient(guarded.port)
      await stalled.write(head('GET', '/theirs/0') + head('POST', '/ours', body) + 'x')
      t.match(parseAnswers((await stalled.closed).text), [{ body: 'theirs' }, { statusCode: 408, json: { code: 'FST_READ_BODY_IDLE_TIMEOUT' } }])
      const large = new RawClient(guarded.port)
      await large.write(head('POST', '/ours', { 'Content-Type': 'a/b', 'Content-Length': 1_001 }) + 'x'.repeat(1_001))
      t.match(onlyAnswer(await large.closed), { statusCode: 413, json: { code: 'FST_READ_BODY_TOO_LARGE' } })
      const doubtful = new RawClient(guarded.port)
      await doubtful.write('GET /ours HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n')
      t.match(onlyAnswer(await doubtful.closed), { statusCode: 400, json: { code: 'FST_READ_MALFORMED' } })
      const fine = new RawClient(guarded.port)
      await fine.write(head('POST', '/ours', { ...body, Connection: 'close' }) + 'x'.repeat(10))
      t.match(onlyAnswer(await fine.closed), { statusCode: 200, body: 'ours 10' })
      t.strictSame(guarded.records.map(({ code, route }) => [code, route]), [
        ['FST_READ_BODY_IDLE_TIMEOUT', '/ours'],
        ['FST_READ_BODY_TOO_LARGE', '/ours'],
        ['FST_READ_MALFORMED', undefined]
      ])
    })

    for (const [name, first] of [
      ['the first', ''],
      ['one behind theirs', head('GET', '/theirs/0')],
      ['one behind a body of theirs', head('POST', '/theirs/0', body) + 'x'.repeat(10)]
    ] as const) {
      t.test(`a head that stalls is judged, whosever it may be: ${name}, ${named}`, async (t) => {
        const guarded = await foreignApp(t, takeOver, when)
        const client = new RawClient(guarded.port)
        if (first !== '') {
          await client.write(first)
          await client.until(/theirs/)
        }
        await delay(200)
        await client.write('GET /theirs/0 HTT')
        const answers = parseAnswers((await client.closed).text)
        t.match(answers.at(-1), { statusCode: 408, json: { code: 'FST_READ_HEADERS_TIMEOUT' } })
        t.match(await guarded.recorded(), [{ code: 'FST_READ_HEADERS_TIMEOUT', received: 17 }])
      })
    }

    t.test(`100 Continue: theirs at once, ours after the hooks: ${named}`, async (t) => {
      const guarded = await foreignApp(t, takeOver, when)
      for (const [url, answer] of [['/theirs/0', 'theirs'], ['/ours', 'ours 10']] as const) {
        const client = new RawClient(guarded.port)
        await client.write(head('POST', url, { ...body, Expect: '100-continue', Connection: 'close' }))
        if (url === '/ours') {
          await client.until(/100 Continue/)
          await client.write('x'.repeat(10))
        }
        const { text } = await client.closed
        t.equal(onlyAnswer({ text }).body, answer)
      }
      t.same(guarded.records, [])
    })
  }
}

t.test('an own checkContinue that answers by itself is not judged', async (t) => {
  const guarded = await foreignApp(t, (server) => {
    server.on('checkContinue', (_request: IncomingMessage, response: ServerResponse) => { setTimeout(() => response.end('theirs'), LONG) })
  }, 'after')
  const client = new RawClient(guarded.port)
  await client.write(head('POST', '/ours', { ...body, Expect: '100-continue' }))
  await client.until(/theirs/)
  t.same(guarded.records, [])
  client.fin()
})

t.test('a listener that was added by once is called once', async (t) => {
  let calls = 0
  for (const when of ['before', 'after'] as const) {
    calls = 0
    const guarded = await foreignApp(t, (server) => { server.once('request', () => { calls++ }) }, when)
    for (let i = 0; i < 3; i++) {
      const client = new RawClient(guarded.port)
      await client.write(head('GET', '/ours', { Connection: 'close' }))
      t.equal(onlyAnswer(await client.closed).body, 'ours')
    }
    t.equal(calls, 1, when)
  }
})

t.test('a foreign exchange keeps nothing once its client has gone', async (t) => {
  const guarded = await foreignApp(t, takeovers['one listener in the place of all'] ?? (() => {}), 'after')
  const client = new RawClient(guarded.port)
  await client.write(head('POST', '/theirs/10', body) + 'x')
  await client.until(/theirs/)
  client.rst()
  await until(async () => await connectionsOf(guarded.app) === 0, 'it is closed')
  t.same(guarded.records, [])
})
