import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import websocket from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { guardedApp, type GuardedApp, type GuardedAppOptions, noise } from '../../support/app/guarded-app.js'
import { withoutOption } from '../../support/app/node-options.js'
import { transport } from '../../support/app/transport.js'
import { localhosts, twoLocalhosts } from '../../support/app/two-localhosts.js'
import { chunk, delay, head, onlyAnswer, parseAnswers, RawClient } from '../../support/client/raw-client.js'
import { quiet } from '../../support/oracle/server-state.js'
import { until } from '../../support/oracle/until.js'

t.jobs = 20
twoLocalhosts()

/** After which an answer is given for a handler that gives none, and some more, in milliseconds. */
const LONGER_THAN_ANY_GRACE = 2_500
const LIMIT = 300
const SLACK = 2
const guard = { headersTimeout: LIMIT, minHeadersRate: { bytesPerSecond: 1000, gracePeriod: LIMIT }, bodyIdleTimeout: LIMIT, bodyTimeout: LIMIT * 2, resolution: 50, linger: { timeout: 200, bytes: 100_000 } } as const
const upgrade = { Connection: 'Upgrade', Upgrade: 'x' } as const
/** Node 26 parses the body of an upgrade request, and emits 'upgrade' before it ends; earlier ones leave it to the listener. */
const parsesBody = Number(process.versions.node.split('.')[0]) >= 26

type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** Answers 101, and echoes until the end. */
const echo: UpgradeListener = (_request, socket, first) => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n')
  socket.write(first)
  socket.on('data', (bytes) => { socket.write(bytes) })
  socket.on('end', () => { socket.end() })
  socket.on('error', () => {})
}

const routes = (app: FastifyInstance): void => {
  app.route({ method: ['GET', 'POST'], url: '/', handler: async (request) => `${typeof request.body}` })
  app.get('/slow', async ({ headers: { 'x-wait': wait = LIMIT / 3 } }) => {
    await delay(Number(wait))
    return 'slow'
  })
}

function listening (listener: UpgradeListener, event = 'upgrade', options: GuardedAppOptions = {}): Promise<GuardedApp> {
  return guardedApp({ guard, routes: (app) => { routes(app); app.server.on(event, listener) }, ...options })
}

/** A text frame of RFC 6455 as a client sends it, masked with zeros. */
const textFrame = (text: string): Buffer => Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)])

for (const scheme of ['http', 'https'] as const) {
  const tls = scheme === 'https'
  for (const host of localhosts) {
    t.test(`${scheme}: a websocket on ${host} is its own for as long as it likes`, { skip: transport.tls && !tls }, async (t) => {
      const { app, port, records } = await guardedApp({
        guard,
        listen: { host: 'localhost' },
        protocol: scheme,
        routes: async (app) => {
          await app.register(websocket)
          app.get('/', { websocket: true }, (socket) => { socket.on('message', (message: Buffer) => { socket.send(message.toString()) }) })
        }
      })
      const client = new RawClient(port, { host, tls })
      await client.write(head('GET', '/', { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': 13, 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' }))
      await client.until(/101 Switching Protocols/)
      for (const text of ['first', 'second']) {
        await delay(LIMIT * 2)
        await client.write(textFrame(text))
        await client.until(new RegExp(`\x81.${text}`))
      }
      t.same(app.readGuard.stats().reading, { handshake: 0, headers: 0, body: 0, response: 0, lingering: 0 })
      client.fin()
      await client.closed
      await app.close()
      t.same(records, [])
    })
  }
}

for (const scheme of ['http', 'https'] as const) {
  const tls = scheme === 'https'
  for (const [what, bytes] of [
    ['takes nothing of its messages, and leaves', 20_000_000],
    ['leaves a silent one', 1]
  ] as const) {
    t.test(`${scheme}: a websocket has no response: a client that ${what} has no record`, { skip: transport.tls && !tls }, async (t) => {
      let closed = 0
      const { app, port, records, log } = await guardedApp({
        t,
        guard: { ...guard, responseIdleTimeout: LIMIT, minResponseRate: { bytesPerSecond: 1_000_000, gracePeriod: LIMIT } },
        protocol: scheme,
        routes: async (app) => {
          await app.register(websocket)
          app.get('/', { websocket: true }, (socket) => {
            socket.on('close', () => { closed++ })
            socket.send('x'.repeat(bytes))
          })
          app.server.on('connect', (_request, socket: Duplex) => {
            socket.on('error', () => {}).on('close', () => { closed++ })
            socket.write('HTTP/1.1 200 OK\r\n\r\n')
            socket.write('x'.repeat(bytes))
          })
        }
      })
      const requests = [
        head('GET', '/', { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': 13, 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' }),
        head('CONNECT', 'localhost:80')
      ]
      const clients = await Promise.all(requests.map(async (request) => {
        const client = new RawClient(port, { tls })
        await client.write(request)
        await client.until(/\r\n\r\n/)
        client.socket.pause()
        return client
      }))
      await delay(LIMIT * 4)
      t.equal(closed, 0, 'it is left alone')
      t.equal(app.readGuard.stats().reading.response, 0)
      for (const client of clients) client.rst()
      await until(() => closed === clients.length, 'they are closed')
      await delay(100)
      t.same(records, [])
      t.same(noise(log), [])
    })
  }
}

for (const [event, request] of [['upgrade', head('GET', '/', upgrade)], ['connect', head('CONNECT', 'localhost:80')]] as const) {
  t.test(`after '${event}' nothing of the connection is ours`, async (t) => {
    const { app, port, records } = await listening(echo, event)
    const client = new RawClient(port)
    await client.write(request + 'first')
    await client.until(/101[^]*first/)
    await delay(LIMIT * 2)
    await client.write('G')
    await delay(LIMIT * 2)
    await client.write('ET / HTTP/1.1\r\n\r\n')
    await client.until(/GET \/ HTTP\/1\.1\r\n\r\n/)
    client.fin()
    await client.closed
    await app.close()
    t.same(records, [])
  })

  t.test(`a head before '${event}' is timed as every other`, async (t) => {
    const { app, port, recorded } = await listening(echo, event)
    const client = new RawClient(port)
    await client.write(request.slice(0, -2))
    const seen = await client.closed
    t.equal(onlyAnswer(seen).statusCode, 408)
    t.ok(seen.elapsed >= LIMIT - SLACK)
    t.match(await recorded(), [{ phase: 'headers' }])
    await app.close()
  })
}

t.test('CONNECT that nobody listens for is Node\'s to close, without a record', async (t) => {
  const { app, port, records } = await guardedApp({ guard, routes })
  const client = new RawClient(port)
  await client.write(head('CONNECT', 'localhost:80'))
  t.equal((await client.closed).text, '')
  await app.close()
  t.same(records, [])
})

t.test('an upgrade that nobody listens for is a request as every other', async (t) => {
  const { app, port, recorded, records } = await guardedApp({ guard, routes })
  const client = new RawClient(port)
  await client.write(head('GET', '/', { ...upgrade, Connection: 'Upgrade, close' }))
  t.equal(onlyAnswer(await client.closed).statusCode, 200)
  t.same(records, [])
  const stalled = new RawClient(port)
  await stalled.write(head('POST', '/', { ...upgrade, 'Content-Type': 'text/plain', 'Content-Length': 10 }) + 'x')
  t.match(onlyAnswer(await stalled.closed), { statusCode: 408, json: { code: 'FST_READ_BODY_IDLE_TIMEOUT' } })
  t.match(await recorded(), [{ phase: 'body', received: 1, expected: 10 }])
  await app.close()
})

const withoutCallback = withoutOption('shouldUpgradeCallback')
const posted = head('POST', '/', { ...upgrade, 'Content-Type': 'text/plain', 'Content-Length': 5 })

t.test('what shouldUpgradeCallback declines is a request as every other, whoever listens for upgrades', { skip: withoutCallback }, async (t) => {
  let upgrades = 0
  const { port, recorded } = await listening(() => { upgrades++ }, 'upgrade', { t, fastify: { http: { shouldUpgradeCallback: () => false } } as object })
  for (const [request, type] of [[head('GET', '/', upgrade), 'undefined'], [`${posted}hello`, 'string']] as const) {
    const client = new RawClient(port)
    await client.write(request)
    await client.until(new RegExp(`${type}$`))
    client.fin()
    await client.closed
  }
  const stalled = new RawClient(port)
  await stalled.write(posted + 'he')
  t.match(onlyAnswer(await stalled.closed), { statusCode: 408, json: { code: 'FST_READ_BODY_IDLE_TIMEOUT' } })
  t.match(await recorded(), [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', route: '/', received: 2 }])
  t.equal(upgrades, 0)
})

t.test('what shouldUpgradeCallback takes is its listener\'s, and of what it declines beside the body is timed', { skip: withoutCallback }, async (t) => {
  const shouldUpgradeCallback = ({ headers }: IncomingMessage): boolean => headers['x-wanted'] === 'yes'
  const { port, records } = await listening(echo, 'upgrade', { t, fastify: { http: { shouldUpgradeCallback } } as object })
  const taken = new RawClient(port)
  await taken.write(head('GET', '/', { ...upgrade, 'X-Wanted': 'yes' }))
  await taken.until(/101 Switching Protocols/)
  const declined = new RawClient(port)
  await declined.write(posted + 'he')
  t.match(onlyAnswer(await declined.closed), { statusCode: 408 })
  await taken.write('after a while')
  await taken.until(/after a while/)
  taken.fin()
  await taken.closed
  t.match(records, [{ code: 'FST_READ_BODY_IDLE_TIMEOUT' }])
  t.equal(records.length, 1)
})

t.test('what shouldUpgradeCallback takes and nobody listens for is Node\'s to close, without a record', { skip: withoutCallback }, async (t) => {
  const { app, port, records } = await guardedApp({ t, guard, routes, fastify: { http: { shouldUpgradeCallback: () => true } } as object })
  for (const bytes of [head('GET', '/', upgrade), posted + 'he']) {
    const client = new RawClient(port)
    await client.write(bytes)
    t.equal((await client.closed).text, '')
  }
  await quiet(app)
  t.same(records, [])
})

t.test('listeners may come and go', async (t) => {
  const { app, port, records } = await guardedApp({ guard, routes })
  const request = head('GET', '/', { ...upgrade, Connection: 'Upgrade, close' })
  const statusOf = async (): Promise<string | undefined> => {
    const client = new RawClient(port)
    await client.write(request)
    const text = await client.until(/\r\n\r\n/)
    client.socket.destroy()
    return text.split(' ')[1]
  }
  t.equal(await statusOf(), '200')
  app.server.on('upgrade', echo)
  t.equal(await statusOf(), '101')
  app.server.off('upgrade', echo)
  t.equal(await statusOf(), '200')
  app.server.once('upgrade', echo)
  t.equal(await statusOf(), '101')
  t.equal(await statusOf(), '200')
  app.server.on('upgrade', echo)
  app.server.removeAllListeners('upgrade')
  t.equal(await statusOf(), '200')
  app.server.on('upgrade', echo)
  t.equal(await statusOf(), '101')
  await app.close()
  t.same(records, [])
})

const withBody = head('GET', '/', { ...upgrade, 'Content-Length': 10 })

t.test('what follows an upgrade request with a body is the listener\'s before Node 26', { skip: parsesBody }, async (t) => {
  const { app, port, records } = await listening(echo)
  const client = new RawClient(port)
  await client.write(withBody + 'x')
  await client.until(/\r\n\r\nx/)
  await delay(LIMIT * 3)
  await client.write('y')
  await client.until(/\r\n\r\nxy/)
  client.fin()
  await client.closed
  await app.close()
  t.same(records, [])
})

const cases: ReadonlyArray<{ name: string, sent: string, record: object, statusCode: number, after: number }> = [
  { name: 'stalls', sent: 'x', statusCode: 408, after: LIMIT, record: { code: 'FST_READ_BODY_IDLE_TIMEOUT', received: 1, expected: 10 } },
  { name: 'never begins', sent: '', statusCode: 408, after: LIMIT, record: { code: 'FST_READ_BODY_IDLE_TIMEOUT', received: 0, expected: 10 } }
]

for (const { name, sent, record, statusCode, after } of cases) {
  t.test(`the body of an upgrade request that ${name} is ended, and answered where nobody has`, { skip: !parsesBody }, async (t) => {
    const errors: unknown[] = []
    const { app, port, recorded } = await listening((request) => {
      request.on('error', (error) => { errors.push(error) })
      request.resume()
    })
    const client = new RawClient(port)
    await client.write(withBody + sent)
    const seen = await client.closed
    t.equal(onlyAnswer(seen).statusCode, statusCode)
    t.ok(seen.elapsed >= after - SLACK, `not before the limit (${seen.elapsed})`)
    t.match(await recorded(), [{ ...record, phase: 'body', answered: true, method: 'GET', url: '/', protocol: 'http/1.1' }])
    t.match(errors, [record])
    await app.close()
  })
}

t.test('the body of an upgrade request that stalls after the upgrade is ended without a word', { skip: !parsesBody }, async (t) => {
  const { app, port, recorded } = await listening(echo)
  const client = new RawClient(port)
  await client.write(withBody + 'x')
  const { text } = await client.closed
  t.notMatch(text, / 408 /)
  t.match(await recorded(), [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', answered: false, received: 1 }])
  await app.close()
})

t.test('a client that leaves in the body of an upgrade request is recorded', { skip: !parsesBody }, async (t) => {
  const { app, port, recorded } = await listening(echo)
  const client = new RawClient(port)
  await client.write(withBody + 'x')
  await client.until(/101/)
  client.fin()
  t.match(await recorded(), [{ code: 'FST_READ_ABORTED', received: 1, expected: 10, phase: 'body', remoteAddress: '127.0.0.1' }])
  await client.closed
  await app.close()
})

t.test('an upgrade that its listener refuses without the body is no failed read', { skip: !parsesBody }, async (t) => {
  const { app, port, records } = await listening((_request, socket) => {
    socket.on('error', () => {})
    socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
  })
  for (const leave of [undefined, (client: RawClient) => client.rst()]) {
    const client = new RawClient(port, { stays: leave !== undefined })
    await client.write(withBody + 'x')
    await client.until(/401/)
    leave?.(client)
    t.match((await client.closed).text, /^HTTP\/1\.1 401 /)
  }
  await quiet(app)
  await app.close()
  t.same(records, [])
})

t.test('a connection changes hands when the body of its upgrade request has ended', { skip: !parsesBody }, async (t) => {
  const { app, port, records } = await listening(echo)
  const client = new RawClient(port)
  await client.write(withBody + 'x')
  await client.until(/101/)
  t.equal(app.readGuard.stats().reading.body, 1)
  await delay(LIMIT / 2)
  await client.write('x'.repeat(9) + 'first')
  await client.until(/\r\n\r\nfirst/)
  await until(() => app.readGuard.stats().reading.body === 0, 'it is no longer ours')
  await delay(LIMIT * 2)
  await client.write('second')
  await client.until(/second/)
  client.fin()
  await client.closed
  await app.close()
  t.same(records, [])
})

t.test('a body that came whole with its upgrade request is nothing to wait for', async (t) => {
  const { app, port, records } = await listening(echo)
  const client = new RawClient(port)
  await client.write(withBody + 'x'.repeat(10) + 'first')
  await client.until(/first/)
  await delay(LIMIT * 2)
  await client.write('second')
  await client.until(/second/)
  client.fin()
  await client.closed
  await app.close()
  t.same(records, [])
})

const badFraming = [['two Hosts', 'Host: b', 400], ['an unknown transfer coding', 'Transfer-Encoding: gzip, chunked', 501]] as const

for (const [event, first, rest] of [['upgrade', 'POST /', 'Connection: Upgrade\r\nUpgrade: x\r\n'], ['connect', 'CONNECT localhost:80', '']] as const) {
  for (const [name, line, statusCode] of badFraming) {
    const refused = `${first} HTTP/1.1\r\nHost: a\r\n${line}\r\n${rest}\r\n`
    const record = { code: 'FST_READ_MALFORMED', blame: 'client_invalid', phase: 'headers', method: first.split(' ')[0], url: first.split(' ')[1], remoteAddress: '127.0.0.1' } as const

    t.test(`'${event}' with ${name} reaches no listener`, async (t) => {
      let handedOver = 0
      const { app, port, records, log } = await listening(() => { handedOver++ }, event)
      const client = new RawClient(port)
      await client.write(refused + 'what follows')
      const seen = await client.closed
      const answer = onlyAnswer(seen)
      t.match(answer, { statusCode, json: { code: 'FST_READ_MALFORMED' } })
      t.equal(answer.headers.connection, 'close')
      t.equal(seen.end, 'FIN')
      await app.close()
      t.equal(handedOver, 0)
      t.match(records, [{ ...record, statusCode, answered: true, observed: false }])
      t.equal(records.length, 1)
      t.same(noise(log), [])
    })

    t.test(`'${event}' with ${name} is refused after the answers that are owed`, async (t) => {
      const { app, port, recorded, records } = await listening(() => {}, event)
      const client = new RawClient(port)
      await client.write(head('GET', '/slow') + head('GET', '/slow') + refused)
      t.match(parseAnswers((await client.closed).text), [{ body: 'slow' }, { body: 'slow' }, { statusCode }])
      await recorded()
      await app.close()
      t.match(records, [{ ...record, answered: true }])
      t.equal(records.length, 1)
    })

    t.test(`'${event}' with ${name} goes on where that is only observed`, async (t) => {
      const { app, port, records } = await listening((_request, socket) => { socket.end('taken') }, event, { guard: { ...guard, mode: 'observe' } })
      const client = new RawClient(port)
      await client.write(refused)
      t.equal((await client.closed).text, 'taken')
      await app.close()
      t.match(records, [{ ...record, answered: false, observed: true }])
      t.equal(records.length, 1)
    })
  }

  t.test(`what is completed as '${event}' after its 408 reaches no listener`, async (t) => {
    let handedOver = 0
    const { app, port, records } = await listening(() => { handedOver++ }, event)
    const client = new RawClient(port, { stays: true })
    await client.write(`${first} HTTP/1.1\r\nHost: a\r\n${rest}`)
    await client.until(/ 408 /)
    await client.write('\r\nwhat follows')
    await until(() => app.readGuard.stats().reading.lingering === 0, 'it has lingered')
    t.equal(onlyAnswer(client).statusCode, 408)
    client.socket.destroy()
    await app.close()
    t.equal(handedOver, 0)
    t.match(records, [{ code: 'FST_READ_HEADERS_TIMEOUT' }])
    t.equal(records.length, 1)
  })
}

t.test('a client that leaves while its upgrade is refused is nobody\'s error', async (t) => {
  const { app, port, recorded } = await listening(() => {})
  const client = new RawClient(port)
  await client.write('GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: 10\r\n\r\nx')
  await client.until(/ 400 /)
  client.rst()
  t.match(await recorded(), [{ code: 'FST_READ_MALFORMED' }])
  await until(() => app.readGuard.stats().reading.lingering === 0, 'it is gone')
  await app.close()
})

t.test('the body of an upgrade request behind an answer that is owed is guarded, and ended without a word', { skip: !parsesBody }, async (t) => {
  const { app, port, recorded, records, log } = await listening((request) => { request.resume() })
  const client = new RawClient(port)
  await client.write(head('GET', '/slow', { 'X-Wait': LIMIT * 3 }) + withBody + 'x')
  t.equal((await client.closed).text, '')
  await recorded()
  await app.close()
  t.match(records, [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', answered: false, received: 1, expected: 10 }])
  t.equal(records.length, 1)
  t.same(noise(log), [])
})

t.test('the body of an upgrade request behind an answer that is owed may end', { skip: !parsesBody }, async (t) => {
  const { app, port, records } = await listening((request, socket) => {
    request.resume()
    request.on('end', () => { socket.end('taken') })
  })
  const client = new RawClient(port)
  await client.write(head('GET', '/slow') + withBody + 'x')
  await client.until(/slow$/)
  await client.write('x'.repeat(9))
  t.match((await client.closed).text, /slowtaken$/)
  await app.close()
  t.same(records, [])
})

const LARGE_BODY = 'x'.repeat(100)
const largeBodies = {
  'declares too much': head('GET', '/', { ...upgrade, 'Content-Length': 200 }) + LARGE_BODY,
  'declares too much, and comes whole': head('GET', '/', { ...upgrade, 'Content-Length': 100 }) + LARGE_BODY,
  'brings too much': head('GET', '/', { ...upgrade, 'Transfer-Encoding': 'chunked' }) + chunk(LARGE_BODY),
  'brings too much, and comes whole': `${head('GET', '/', { ...upgrade, 'Transfer-Encoding': 'chunked' })}${chunk(LARGE_BODY)}0\r\n\r\n`
} as const

for (const [name, sent] of Object.entries(largeBodies)) {
  t.test(`the body of an upgrade request that ${name} with its head is answered where nobody has`, { skip: !parsesBody }, async (t) => {
    const { app, port, recorded, records } = await listening((request) => { request.resume() }, 'upgrade', { guard: { ...guard, bodyLimit: 50 } })
    const client = new RawClient(port)
    await client.write(sent)
    t.match(onlyAnswer(await client.closed), { statusCode: 413, json: { code: 'FST_READ_BODY_TOO_LARGE' } })
    await recorded()
    await app.close()
    t.match(records, [{ code: 'FST_READ_BODY_TOO_LARGE', answered: true, received: 100 }])
    t.equal(records.length, 1)
  })

  t.test(`the body of an upgrade request that ${name} with its head is ended without a word after the upgrade`, { skip: !parsesBody }, async (t) => {
    const { app, port, recorded, records } = await listening(echo, 'upgrade', { guard: { ...guard, bodyLimit: 50 } })
    const client = new RawClient(port)
    await client.write(sent)
    t.notMatch((await client.closed).text, / 413 /)
    await recorded()
    await app.close()
    t.match(records, [{ code: 'FST_READ_BODY_TOO_LARGE', answered: false, received: 100 }])
    t.equal(records.length, 1)
  })
}

for (const [name, sent] of [['more than bodyLimit', ''], ['more than bodyLimit, and brings it', LARGE_BODY]] as const) {
  t.test(`a websocket's request that declares ${name} is answered once`, { skip: !parsesBody }, async (t) => {
    const { app, port, recorded, records, log } = await guardedApp({
      guard: { ...guard, bodyLimit: 50 },
      routes: async (app) => {
        await app.register(websocket)
        app.get('/', { websocket: true }, () => {})
      }
    })
    const client = new RawClient(port)
    await client.write(head('GET', '/', { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': 13, 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', 'Content-Length': 200 }) + sent)
    await client.until(/ 413 [^]*}/)
    await delay(LONGER_THAN_ANY_GRACE) // no second answer
    client.fin()
    t.match(onlyAnswer(await client.closed), { statusCode: 413, json: { code: 'FST_READ_BODY_TOO_LARGE' } })
    await recorded()
    await app.close()
    t.match(records, [{ code: 'FST_READ_BODY_TOO_LARGE', route: '/', answered: true }])
    t.equal(records.length, 1)
    t.same(noise(log), [])
  })
}

t.test('an upgrade that comes after its body has failed is not answered a second time', { skip: !parsesBody }, async (t) => {
  const { app, port, recorded, records } = await listening((_request, socket) => {
    socket.on('error', () => {})
    setTimeout(() => { socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n') }, LIMIT * 2)
  })
  const client = new RawClient(port)
  await client.write(withBody + 'x')
  t.equal((await client.closed).text, 'HTTP/1.1 101 Switching Protocols\r\n\r\n')
  await recorded()
  await app.close()
  t.match(records, [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', answered: false, received: 1 }])
  t.equal(records.length, 1)
})

const expectsBody = head('GET', '/', { ...upgrade, Expect: '100-continue', 'Content-Length': 10 })

t.test('a client that wants to be told before it sends the body of its upgrade request is told when it is wanted', { skip: !parsesBody }, async (t) => {
  const { app, port, records } = await listening((request, socket) => {
    setTimeout(() => { request.resume() }, LIMIT)
    request.on('end', () => { echo(request, socket, Buffer.alloc(0)) })
  })
  const client = new RawClient(port)
  const began = performance.now()
  await client.write(expectsBody)
  await client.until(/100 Continue/)
  t.ok(performance.now() - began >= LIMIT - SLACK, `after ${performance.now() - began} ms`)
  await delay(LIMIT / 2)
  await client.write('x'.repeat(10))
  await client.until(/ 101 /)
  t.match(client.text, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 101 /)
  client.fin()
  await client.closed
  await app.close()
  t.same(records, [])
})

t.test('a client that has its 100, and does not send the body of its upgrade request, has its answer', { skip: !parsesBody }, async (t) => {
  const { app, port, recorded, records } = await listening((request) => { request.resume() })
  const client = new RawClient(port)
  await client.write(expectsBody)
  const { text } = await client.closed
  t.match(text, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 408 /)
  await recorded()
  await app.close()
  t.match(records, [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', answered: true, received: 0 }])
  t.equal(records.length, 1)
})

t.test('after the upgrade no 100 is sent', { skip: !parsesBody }, async (t) => {
  const { app, port, recorded } = await listening(echo)
  const client = new RawClient(port)
  await client.write(expectsBody)
  t.notMatch((await client.closed).text, /100 Continue/)
  t.match(await recorded(), [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', answered: false }])
  await app.close()
})
