import diagnosticsChannel from 'node:diagnostics_channel'
import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import t from 'tap'
import { guardedApp } from '../../support/app/guarded-app.js'
import type { Protocol } from '../../support/app/transport.js'
import { localhosts, twoLocalhosts } from '../../support/app/two-localhosts.js'
import { clientHello } from '../../support/client/client-hello.js'
import { continuation, data, Flag, headerBlock, headers, ping, PREFACE, requestBlock, settings, settingsAck } from '../../support/client/http2-frames.js'
import { delay, head } from '../../support/client/raw-client.js'
import { quiet, underWay } from '../../support/oracle/server-state.js'
import { until } from '../../support/oracle/until.js'

twoLocalhosts()

const LIMIT = 500
const LINGER = 300
/** For a machine that is busy. */
const NOISE = 4_000
const guard = {
  handshakeTimeout: LIMIT,
  headersTimeout: LIMIT,
  bodyIdleTimeout: LIMIT,
  bodyTimeout: LIMIT * 1.5,
  resolution: 50,
  linger: { timeout: LINGER, bytes: 100_000 }
} as const

const HALF_HEAD = 'POST / HTTP/1.1\r\nHost: x\r\n'
const HALF_BODY = head('POST', '/', { 'Content-Type': 'text/plain', 'Content-Length': 100 }) + 'x'
const hello = await clientHello()

const HELLO = Buffer.concat([PREFACE, settings(), settingsAck()])
const HALF_BLOCK = Buffer.concat([HELLO, headers(1, requestBlock('POST', '/').subarray(0, 10), 0)])
const HALF_STREAM = Buffer.concat([HELLO, headers(1, requestBlock('POST', '/', { 'content-type': 'text/plain' })), data(1, 'x')])
const HALF_TRAILERS = Buffer.concat([HALF_STREAM, headers(1, headerBlock({ x: 'y' }), Flag.END_STREAM), continuation(1, Buffer.alloc(1_000)).subarray(0, 9)])

/** A client that never closes its side, whatever the server does. */
class Attacker {
  readonly socket: net.Socket
  readonly #tcp: net.Socket
  #trickle: NodeJS.Timeout | undefined

  constructor (port: number, host: string, alpn?: string) {
    this.#tcp = net.connect({ port, host, allowHalfOpen: true })
    this.socket = alpn === undefined ? this.#tcp : tls.connect({ socket: this.#tcp, rejectUnauthorized: false, ALPNProtocols: [alpn], ...{ allowHalfOpen: true } }) // documented, and not in its type
    for (const socket of [this.#tcp, this.socket]) socket.on('error', () => {})
    this.socket.resume()
  }

  async attack (bytes: string | Uint8Array, trickle?: string | Uint8Array): Promise<void> {
    await once(this.socket, this.socket === this.#tcp ? 'connect' : 'secureConnect')
    this.socket.write(bytes)
    if (trickle !== undefined) this.#trickle = setInterval(() => { if (this.socket.writable) this.socket.write(trickle) }, LIMIT / 5)
  }

  stop (): void {
    clearInterval(this.#trickle)
    this.socket.destroy()
    this.#tcp.destroy()
  }
}

interface Attack {
  readonly bytes: string | Uint8Array
  readonly times: number
  /** Sent again and again after that. */
  readonly trickle?: string | Uint8Array
  /** Agreed on in a TLS handshake; without, the bytes are sent as they are. */
  readonly alpn?: string
}

interface Siege {
  readonly name: string
  readonly protocol: Protocol
  readonly attacks: readonly Attack[]
  /** Settings of `forceCloseConnections`. */
  readonly closings?: ReadonlyArray<boolean | 'idle'>
}

const sieges: readonly Siege[] = [
  {
    name: 'http',
    protocol: 'http',
    attacks: [
      { bytes: '', times: 50 },
      { bytes: HALF_HEAD, times: 450 },
      { bytes: HALF_BODY, times: 450 },
      { bytes: `${HALF_HEAD}X: `, times: 50, trickle: 'x' },
      { bytes: HALF_BODY, times: 50, trickle: 'x' }
    ]
  },
  {
    name: 'https',
    protocol: 'https',
    attacks: [
      { bytes: '', times: 10 },
      { bytes: hello.subarray(0, 50), times: 10 },
      { bytes: hello, times: 10 },
      { bytes: '', times: 10, alpn: 'http/1.1' },
      { bytes: HALF_HEAD, times: 20, alpn: 'http/1.1' },
      { bytes: HALF_BODY, times: 20, alpn: 'http/1.1' },
      { bytes: HALF_BODY, times: 10, alpn: 'http/1.1', trickle: 'x' }
    ]
  },
  {
    name: 'cleartext HTTP/2',
    protocol: 'h2c',
    // Fastify has no 'idle' for it.
    closings: [true, false],
    attacks: [
      { bytes: '', times: 10 },
      { bytes: PREFACE.subarray(0, 10), times: 10 },
      { bytes: HALF_BLOCK, times: 20 },
      { bytes: HALF_STREAM, times: 20 },
      { bytes: HALF_STREAM, times: 20, trickle: data(1, 'x') },
      { bytes: HALF_TRAILERS, times: 20, trickle: 'x' },
      { bytes: HELLO, times: 20, trickle: ping() }
    ]
  },
  {
    name: 'HTTP/2 with allowHTTP1',
    protocol: 'h2+http1',
    attacks: [
      { bytes: '', times: 10 },
      { bytes: '', times: 10, alpn: 'h2' },
      { bytes: HALF_BLOCK, times: 10, alpn: 'h2' },
      { bytes: HALF_STREAM, times: 10, alpn: 'h2' },
      { bytes: HALF_STREAM, times: 10, alpn: 'h2', trickle: data(1, 'x') },
      { bytes: HELLO, times: 10, alpn: 'h2', trickle: ping() },
      { bytes: HALF_HEAD, times: 10, alpn: 'http/1.1' },
      { bytes: HALF_BODY, times: 10, alpn: 'http/1.1' }
    ]
  }
]

const channels = ['tracing:net.server.listen:asyncStart', 'net.server.socket', 'fastify-read-guard.abort'].map(name => diagnosticsChannel.channel(name))

/** What keeps the process alive, but for what the test runner has. */
function resources (): string[] {
  return process.getActiveResourcesInfo().filter(name => name !== 'PipeWrap' && name !== 'Immediate').sort()
}

function listeners (): Record<string, number> {
  return Object.fromEntries(process.eventNames().map(name => [String(name), process.listenerCount(name)]))
}

for (const { name, protocol, attacks, closings = [true, false, 'idle'] as const } of sieges) {
  for (const forceCloseConnections of closings) {
    t.test(`${name}: close() is done within the limits under attack, with forceCloseConnections: ${forceCloseConnections}`, async (t) => {
      // What the test runner has to do at its start.
      await delay(50)
      const before = { resources: resources(), listeners: listeners() }
      const { app, port } = await guardedApp({
        protocol,
        guard,
        fastify: { forceCloseConnections, logger: false },
        routes: (app) => { app.post('/', async () => 'ok') }
      })
      const attackers: Attacker[] = []
      await Promise.all(attacks.flatMap(({ bytes, times, trickle, alpn }) => Array.from({ length: times }, () => {
        const attacker = new Attacker(port, localhosts[0], alpn)
        attackers.push(attacker)
        return attacker.attack(bytes, trickle)
      })))
      // Reads are under way on most of them.
      await until(() => underWay(app) >= attackers.length / 2, 'the attack is on')
      const began = performance.now()
      await app.close()
      const elapsed = performance.now() - began
      t.ok(elapsed < LIMIT * 2 + LINGER * 2 + NOISE, `closed in ${Math.round(elapsed)} ms`)
      await quiet(app)
      for (const attacker of attackers) attacker.stop()
      await until(() => resources().length <= before.resources.length, `nothing is left but ${before.resources.join()}; ${resources().join()}`)
      t.same(resources(), before.resources)
      t.same(listeners(), before.listeners)
      t.same(channels.map(({ hasSubscribers }) => hasSubscribers), channels.map(() => false))
    })
  }
}

t.test('connections of the second address are ended after close(), which does not wait for them', async (t) => {
  const before = resources()
  const { app, port, recorded } = await guardedApp({ guard, listen: { host: 'localhost' }, routes: (app) => { app.post('/', async () => 'ok') } })
  const attackers = [HALF_HEAD, HALF_BODY].map((bytes) => {
    const attacker = new Attacker(port, localhosts[1])
    return attacker.attack(bytes).then(() => attacker)
  })
  for (const attacker of attackers) await attacker
  await until(() => app.readGuard.stats().reading.body === 1, 'the body is read')
  await app.close()
  t.same((await recorded(2)).map(({ code }) => code).sort(), ['FST_READ_BODY_IDLE_TIMEOUT', 'FST_READ_HEADERS_TIMEOUT'])
  await until(() => app.readGuard.stats().reading.lingering === 0, 'they have lingered')
  for (const attacker of attackers) (await attacker).stop()
  await until(() => resources().length <= before.length, 'nothing is left')
  t.same(resources(), before)
})

t.test('an application that never listened leaves nothing behind', async (t) => {
  const before = resources()
  const { app } = await guardedApp({ guard })
  await app.close()
  await delay(0)
  t.same(resources(), before)
  t.same(channels.map(({ hasSubscribers }) => hasSubscribers), channels.map(() => false))
})
