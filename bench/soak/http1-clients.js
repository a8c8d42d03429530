// What clients of HTTP/1 do, over TLS and without.
import { setTimeout as delay } from 'node:timers/promises'
import { chunk, Connection, head } from './connection.js'

/**
 * One client at work.
 * @typedef {object} Scene
 * @property {number} port
 * @property {boolean} tls
 * @property {string} id stands in its URLs, and in those of no other client
 * @property {(min: number, max: number) => number} int a whole number, both bounds included
 * @property {(port: number | undefined) => void} connected tells from which port it has come
 * @property {(close: () => void) => void} onOver keeps what is to be done when the client is over, whatever it was
 */

/**
 * A client's account: what it does, and by which code that is recorded, if it is.
 * @typedef {object} Behaviour
 * @property {string} name
 * @property {import('fastify-read-guard').ReadErrorCode} [code]
 * @property {(scene: Scene) => Promise<void>} act throws where the server did not do as it should
 */

const STREAM = { 'Content-Type': 'application/x-stream' }
const JSON_TYPE = { 'Content-Type': 'application/json' }

/**
 * @param {Scene} scene
 * @param {{ keepsText?: boolean }} [options]
 */
async function connected ({ port, tls, connected, onOver }, options) {
  const client = new Connection(port, tls, options)
  onOver(() => client.tcp.destroy())
  await client.ready
  connected(client.tcp.localPort)
  return client
}

/**
 * @param {Connection} client
 * @param {number} status
 */
async function expectEnd (client, status) {
  await client.closed()
  if (client.status !== status) throw new Error(`${client.status} in the place of ${status}: ${JSON.stringify(client.text.slice(-300))}`)
}

/**
 * Writes again and again until the connection is closed.
 *
 * @param {Connection} client
 * @param {string} bytes
 * @param {number} pause
 */
async function drip (client, bytes, pause) {
  while (!client.isClosed) {
    await client.write(bytes)
    await delay(pause)
  }
}

/** @type {readonly Behaviour[]} */
export const good = [
  {
    name: 'requests on one connection',
    async act (scene) {
      const client = await connected(scene)
      const count = scene.int(2, 6)
      for (let i = 1; i <= count; i++) {
        client.text = ''
        if (i % 2 === 0) await client.write(head('GET', `/read/${scene.id}`))
        else await client.write(head('POST', `/read/${scene.id}`, { ...JSON_TYPE, 'Content-Length': 7 }) + '{"a":1}')
        await client.answered(/200 OK[^]*{"read":true}$/)
        await delay(scene.int(0, 80))
      }
      await client.end()
    }
  },
  {
    name: 'an upload at a fair rate',
    async act (scene) {
      const client = await connected(scene)
      await client.write(head('POST', `/read/${scene.id}`, { ...STREAM, 'Content-Length': 40_000 }))
      for (let i = 0; i < 10; i++) {
        await delay(scene.int(20, 150))
        await client.write('x'.repeat(4_000))
      }
      await client.answered(/{"bytes":40000}$/)
      await client.end()
    }
  },
  {
    name: 'a chunked upload, and a request after it',
    async act (scene) {
      const client = await connected(scene)
      await client.write(head('POST', `/read/${scene.id}`, { ...STREAM, 'Transfer-Encoding': 'chunked' }))
      for (let i = 0; i < 5; i++) {
        await client.write(chunk('x'.repeat(scene.int(500, 3_000))))
        await delay(scene.int(0, 100))
      }
      await client.write('0\r\n\r\n')
      await client.answered(/{"bytes":\d+}$/)
      await client.write(head('GET', `/read/${scene.id}`))
      await client.answered(/{"read":true}$/)
      await client.reset()
    }
  },
  {
    name: 'pipelined requests',
    async act (scene) {
      const client = await connected(scene)
      await client.write(head('GET', `/read/${scene.id}`) + head('POST', `/read/${scene.id}`, { ...JSON_TYPE, 'Content-Length': 2 }) + '{}' + head('GET', `/slow/${scene.id}`))
      await client.answered(/"slow":true}$/)
      await client.end()
    }
  },
  {
    name: 'a slow handler',
    async act (scene) {
      const client = await connected(scene)
      await client.write(head('GET', `/slow/${scene.id}`, { Connection: 'close' }))
      await expectEnd(client, 200)
    }
  },
  {
    name: 'an event stream',
    async act (scene) {
      const client = await connected(scene)
      await client.write(head('GET', `/events/${scene.id}`))
      await client.answered(/(something[^]*){3}/)
      await client.reset()
    }
  },
  {
    name: 'a download at a fair rate',
    async act (scene) {
      const client = await connected(scene, { keepsText: false })
      const timer = setInterval(() => {
        client.socket.pause()
        setTimeout(() => client.socket.resume(), 20)
      }, 30)
      await client.write(head('GET', `/fair/${scene.id}`, { Connection: 'close' }))
      await client.closed()
      clearInterval(timer)
      if (client.received < 3_000_000) throw new Error(`${client.received} bytes came`)
    }
  },
  {
    name: 'a connection that is opened ahead of need',
    async act (scene) {
      const client = await connected(scene)
      await delay(scene.int(500, 2_500))
      await client.write(head('GET', `/read/${scene.id}`))
      await client.answered(/{"read":true}$/)
      await client.end()
    }
  },
  {
    name: 'a refusal that does not read the body',
    async act (scene) {
      const client = await connected(scene)
      await client.write(head('POST', `/nothing/${scene.id}`, { ...STREAM, 'Content-Length': 5_000 }) + 'x'.repeat(5_000))
      await client.answered(/404 Not Found/)
      await client.reset()
    }
  }
]

/** @type {readonly Behaviour[]} */
export const bad = [
  {
    name: 'a head that stalls',
    code: 'FST_READ_HEADERS_TOO_SLOW',
    async act (scene) {
      const client = await connected(scene)
      await client.write(`GET /read/${scene.id} HTTP/1.1\r\nHo`)
      await expectEnd(client, 408)
    }
  },
  {
    name: 'a head without an end',
    code: 'FST_READ_HEADERS_TIMEOUT',
    async act (scene) {
      const client = await connected(scene)
      await client.write(`GET /read/${scene.id} HTTP/1.1\r\nHost: soak\r\n`)
      await drip(client, 'X-More: 1234567890\r\n', 60)
      await expectEnd(client, 408)
    }
  },
  {
    name: 'a head that is too large',
    code: 'FST_READ_HEADERS_TOO_LARGE',
    async act (scene) {
      const client = await connected(scene)
      await client.write(head('GET', `/read/${scene.id}`, { 'X-Large': 'x'.repeat(20_000) }))
      await expectEnd(client, 431)
    }
  },
  {
    name: 'no HTTP',
    code: 'FST_READ_MALFORMED',
    async act (scene) {
      const client = await connected(scene)
      await client.write('\0 is no method\r\n\r\n')
      await expectEnd(client, 400)
    }
  },
  {
    name: 'two Hosts',
    code: 'FST_READ_MALFORMED',
    async act (scene) {
      const client = await connected(scene)
      await client.write(head('GET', `/read/${scene.id}`, { host: 'another' }))
      await expectEnd(client, 400)
    }
  },
  {
    name: 'a chunk that is none',
    code: 'FST_READ_MALFORMED',
    async act (scene) {
      const client = await connected(scene)
      await client.write(`${head('POST', `/read/${scene.id}`, { ...STREAM, 'Transfer-Encoding': 'chunked' })}${chunk('abc')}zz\r\n`)
      await expectEnd(client, 400)
    }
  },
  {
    name: 'leaving in a head',
    code: 'FST_READ_ABORTED',
    async act (scene) {
      const client = await connected(scene)
      await client.write(`GET /read/${scene.id} HTTP/1.1\r\nHo`)
      await delay(scene.int(100, 400))
      await client.reset()
    }
  },
  {
    name: 'leaving in a body',
    code: 'FST_READ_ABORTED',
    async act (scene) {
      const client = await connected(scene)
      await client.write(head('POST', `/read/${scene.id}`, { ...STREAM, 'Content-Length': 100 }) + 'abc')
      await delay(scene.int(100, 400))
      if (scene.int(0, 1) === 0) await client.reset()
      else await client.end()
    }
  },
  {
    name: 'a body that stalls',
    code: 'FST_READ_BODY_IDLE_TIMEOUT',
    async act (scene) {
      const client = await connected(scene)
      const type = scene.int(0, 1) === 0 ? STREAM : JSON_TYPE
      await client.write(head('POST', `/read/${scene.id}`, { ...type, 'Content-Length': 100 }) + '{"a":')
      await expectEnd(client, 408)
    }
  },
  {
    name: 'a later body that stalls',
    code: 'FST_READ_BODY_IDLE_TIMEOUT',
    async act (scene) {
      const client = await connected(scene)
      await client.write(head('GET', '/read/before'))
      await client.answered(/{"read":true}$/)
      await client.write(head('POST', `/read/${scene.id}`, { ...STREAM, 'Transfer-Encoding': 'chunked' }) + chunk('abc'))
      await expectEnd(client, 408)
    }
  },
  {
    name: 'a body below the minimum rate',
    code: 'FST_READ_BODY_TOO_SLOW',
    async act (scene) {
      const client = await connected(scene)
      await client.write(head('POST', `/read/${scene.id}`, { ...STREAM, 'Content-Length': 100_000 }))
      await drip(client, 'x'.repeat(20), 60)
      await expectEnd(client, 408)
    }
  },
  {
    name: 'a body that takes too long',
    code: 'FST_READ_BODY_TIMEOUT',
    async act (scene) {
      const client = await connected(scene)
      await client.write(head('POST', `/timed/${scene.id}`, { ...STREAM, 'Content-Length': 190_000 }))
      await drip(client, 'x'.repeat(600), 60)
      await expectEnd(client, 408)
    }
  },
  {
    name: 'a body that is declared too large',
    code: 'FST_READ_BODY_TOO_LARGE',
    async act (scene) {
      const client = await connected(scene)
      await client.write(head('POST', `/read/${scene.id}`, { ...STREAM, 'Content-Length': 300_000 }))
      await expectEnd(client, 413)
    }
  },
  {
    name: 'a body that grows too large',
    code: 'FST_READ_BODY_TOO_LARGE',
    async act (scene) {
      const client = await connected(scene)
      await client.write(head('POST', `/read/${scene.id}`, { ...STREAM, 'Transfer-Encoding': 'chunked' }) + chunk('x'.repeat(250_000)))
      await expectEnd(client, 413)
    }
  },
  {
    name: 'a body without its length',
    code: 'FST_READ_LENGTH_REQUIRED',
    async act (scene) {
      const client = await connected(scene)
      await client.write(head('POST', `/length/${scene.id}`, { ...STREAM, 'Transfer-Encoding': 'chunked' }) + chunk('abc'))
      await expectEnd(client, 411)
    }
  },
  {
    name: 'leaving while the handler works',
    code: 'FST_READ_RESPONSE_ABORTED',
    async act (scene) {
      const client = await connected(scene)
      await client.write(head('GET', `/never/${scene.id}`))
      await delay(scene.int(100, 400))
      await client.reset()
    }
  },
  {
    name: 'leaving in the response',
    code: 'FST_READ_RESPONSE_ABORTED',
    async act (scene) {
      const client = await connected(scene, { keepsText: false })
      await client.write(head('GET', `/large/${scene.id}`))
      await client.until('some of it', () => client.received > 100_000)
      client.socket.pause()
      await delay(scene.int(50, 300))
      await client.reset()
    }
  },
  {
    name: 'taking nothing of the response',
    code: 'FST_READ_RESPONSE_IDLE_TIMEOUT',
    async act (scene) {
      const client = await connected(scene, { keepsText: false })
      client.socket.pause()
      await client.write(head('GET', `/large/${scene.id}`))
      await delay(4_000)
      client.socket.resume()
      await client.closed()
      if (client.received > 20_000_000) throw new Error('it was not ended')
    }
  },
  {
    name: 'taking the response too slowly',
    code: 'FST_READ_RESPONSE_TOO_SLOW',
    async act (scene) {
      const client = await connected(scene, { keepsText: false })
      // One piece of at most 64 KB at a time.
      client.socket.on('data', () => client.socket.pause())
      const timer = setInterval(() => client.socket.resume(), 100)
      await client.write(head('GET', `/crawl/${scene.id}`))
      await client.closed()
      clearInterval(timer)
      if (client.received > 20_000_000) throw new Error('it was not ended')
    }
  }
]

/** Of TLS alone: it ends before there is a connection to write to. */
export const handshakes = /** @type {readonly Behaviour[]} */ ([
  {
    name: 'a handshake that stalls',
    code: 'FST_READ_HANDSHAKE_TIMEOUT',
    async act ({ port, connected, onOver }) {
      const client = new Connection(port, false)
      onOver(() => client.tcp.destroy())
      await client.ready
      connected(client.tcp.localPort)
      // The beginning of a record of type handshake.
      await client.write('\x16\x03\x01\x02\x00')
      await client.closed()
    }
  }
])
