import { once } from 'node:events'
import { connect } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { connect as connectTLS } from 'node:tls'

/**
 * @typedef {object} RequestShape
 * @property {string} [method]
 * @property {string} [type] of the body
 * @property {number} [size] of the body
 * @property {number} [chunks] that the body is sent in; without them it has a `Content-Length`
 */

/** @typedef {{ durations: number[], wall: number }} Taken how long each request took, and all of them, in microseconds */

/**
 * The bytes of one request, in the pieces in which they are written.
 *
 * @param {RequestShape} shape
 * @returns {[Buffer, ...Buffer[]]}
 */
export function requestPieces ({ method = 'POST', type = 'application/octet-stream', size = 0, chunks = 0 }) {
  const head = `${method} / HTTP/1.1\r\nHost: bench\r\n`
  if (size === 0) return [Buffer.from(`${head}\r\n`)]
  const typed = `${head}Content-Type: ${type}\r\n`
  const body = type === 'application/json' ? JSON.stringify('x'.repeat(size - 2)) : 'x'.repeat(size)
  if (chunks === 0) return [Buffer.from(`${typed}Content-Length: ${size}\r\n\r\n${body}`)]
  const piece = 'x'.repeat(size / chunks)
  const chunk = Buffer.from(`${piece.length.toString(16)}\r\n${piece}\r\n`)
  return [Buffer.from(`${typed}Transfer-Encoding: chunked\r\n\r\n`), ...Array.from({ length: chunks }, () => chunk), Buffer.from('0\r\n\r\n')]
}

/** One connection: a request at a time, its answer read to the end. All answers are as long as the first. */
class Client {
  #socket
  #pieces
  #received = 0
  #length = 0
  /** @type {{ resolve: (value: void) => void, reject: (error: Error) => void } | undefined} */
  #answered

  /**
   * @param {number} port
   * @param {boolean} tls
   * @param {readonly Buffer[]} pieces
   */
  constructor (port, tls, pieces) {
    this.#pieces = pieces
    this.#socket = tls ? connectTLS({ port, host: '127.0.0.1', rejectUnauthorized: false }) : connect(port, '127.0.0.1')
    this.#socket.setNoDelay(true)
    this.#socket.on('data', (chunk) => this.#read(chunk))
    this.#socket.on('close', () => this.#answered?.reject(new Error('the server closed the connection')))
    this.ready = once(this.#socket, tls ? 'secureConnect' : 'connect')
  }

  /** @param {Buffer} chunk */
  #read (chunk) {
    if (this.#length === 0) {
      // An answer so small comes in one piece.
      const [, status, length] = /^HTTP\/1\.1 (\d+) [^]*\r\nContent-Length: (\d+)\r\n/i.exec(chunk.toString('latin1')) ?? []
      if (status !== '200') this.#answered?.reject(new Error(`answered ${status}`))
      this.#length = chunk.indexOf('\r\n\r\n') + 4 + Number(length)
    }
    this.#received += chunk.length
    if (this.#received < this.#length) return
    this.#received -= this.#length
    this.#answered?.resolve()
  }

  async request () {
    /** @type {Promise<void>} */
    const answered = new Promise((resolve, reject) => { this.#answered = { resolve, reject } })
    const last = this.#pieces.length - 1
    for (const [i, piece] of this.#pieces.entries()) {
      const flushed = this.#socket.write(piece)
      if (i === last) break
      if (flushed) await setImmediate()
      else await once(this.#socket, 'drain')
    }
    await answered
  }

  close () {
    this.#answered = undefined
    this.#socket.destroy()
  }
}

/**
 * So many requests over so many connections.
 *
 * @param {RequestShape & { port: number, tls?: boolean, clients: number, requests: number }} load
 * @returns {Promise<Taken>}
 */
export async function rawLoad ({ port, tls = false, clients, requests, ...request }) {
  const pieces = requestPieces(request)
  const connections = Array.from({ length: clients }, () => new Client(port, tls, pieces))
  await Promise.all(connections.map(({ ready }) => ready))
  /** @type {number[]} */
  const durations = []
  let left = requests
  const started = performance.now()
  await Promise.all(connections.map(async (client) => {
    while (left-- > 0) {
      const sent = performance.now()
      await client.request()
      durations.push((performance.now() - sent) * 1_000)
    }
  }))
  const wall = (performance.now() - started) * 1_000
  for (const client of connections) client.close()
  return { durations, wall }
}
