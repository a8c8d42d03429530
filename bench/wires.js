import { Socket } from 'node:net'
import { Duplex } from 'node:stream'

/**
 * What is asked of a server without a network: the bytes of one exchange.
 * @typedef {{ readonly method: string, readonly type?: string, readonly body?: string | Buffer }} Exchange
 */

/** As much as Node reads from a socket at once. */
const PIECE = 65_536

/** @param {Exchange} exchange */
function http1Pieces ({ method, type, body }) {
  const content = body === undefined ? '' : `Content-Type: ${type}\r\nContent-Length: ${body.length}\r\n`
  const bytes = Buffer.concat([Buffer.from(`${method} / HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\nAccept: */*\r\n${content}\r\n`), Buffer.from(body ?? '')])
  return Array.from({ length: Math.ceil(bytes.length / PIECE) }, (_, piece) => bytes.subarray(piece * PIECE, (piece + 1) * PIECE))
}

/** A connection without an operating system below it: requests are pushed into it, and answers end here. */
export class Http1Wire extends Socket {
  /** @type {(value?: undefined) => void} */
  #answered = () => {}
  #bytes = 0
  #pieces

  /** @param {Exchange} exchange */
  constructor (exchange) {
    super({ allowHalfOpen: true })
    this.#pieces = http1Pieces(exchange)
  }

  /** @override */ // @ts-expect-error -- `net.Socket` has an accessor too, which its type calls a property
  get pending () { return this.destroyed }
  /** @override */ // @ts-expect-error -- as above
  get bytesRead () { return this.#bytes }

  /**
   * @override
   * @param {unknown} _chunk
   * @param {BufferEncoding} _encoding
   * @param {() => void} done
   */
  _write (_chunk, _encoding, done) {
    done()
    // Behind Node's own work at the end of a response: earlier, the next request would be pipelined.
    process.nextTick(this.#answered)
  }

  /**
   * @override
   * @param {unknown[]} _chunks
   * @param {() => void} done
   */
  _writev (_chunks, done) {
    this._write(undefined, 'utf8', done)
  }

  /** @override */
  _read () {}

  ask () {
    return new Promise((resolve) => {
      this.#answered = resolve
      for (const piece of this.#pieces) {
        this.#bytes += piece.length
        this.push(piece)
      }
    })
  }
}

const DATA = 0
const HEADERS = 1
const SETTINGS = 4
const WINDOW_UPDATE = 8
const END_STREAM = 1
const END_HEADERS = 4
/** The largest payload that is allowed without SETTINGS of the server's. */
const LARGEST_FRAME = 16_384
/** Bytes of a frame before its payload. */
const FRAME_HEAD = 9

/**
 * @param {number} type
 * @param {number} flags
 * @param {number} stream
 * @param {Uint8Array} payload
 */
function frame (type, flags, stream, payload) {
  const head = Buffer.alloc(FRAME_HEAD)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/**
 * A header field that HPACK keeps in no table (RFC 7541 §6.2.2), of a name in its static table.
 *
 * @param {number} name index, above 14
 * @param {string} value shorter than 127 bytes
 */
function field (name, value) {
  return Buffer.from([0x0f, name - 0x0f, value.length, ...Buffer.from(value)])
}

/** Indexes of HPACK's static table (RFC 7541 Appendix A). */
const [AUTHORITY, CONTENT_LENGTH, CONTENT_TYPE] = [1, 28, 31]

/** @param {Exchange} exchange */
function headerBlock ({ method, type = '', body }) {
  const authority = Buffer.from('bench')
  return Buffer.concat([
    Buffer.from([method === 'POST' ? 0x83 : 0x82, 0x84, 0x86, AUTHORITY, authority.length]), authority,
    ...(body === undefined ? [] : [field(CONTENT_TYPE, type), field(CONTENT_LENGTH, String(body.length))])
  ])
}

/** As `Http1Wire`, over HTTP/2: a session whose streams follow one another. */
export class Http2Wire extends Duplex {
  /** @type {(value?: undefined) => void} */
  #answered = () => {}
  #stream = -1
  #bytes
  #written = 0
  #frames
  /** @type {Buffer} */
  #unparsed = Buffer.alloc(0)

  /** @param {Exchange} exchange */
  constructor (exchange) {
    super()
    const body = Buffer.from(exchange.body ?? '')
    const payloads = Array.from({ length: Math.ceil(body.length / LARGEST_FRAME) }, (_, piece) => body.subarray(piece * LARGEST_FRAME, (piece + 1) * LARGEST_FRAME))
    const frames = [
      frame(HEADERS, END_HEADERS | (payloads.length === 0 ? END_STREAM : 0), 0, headerBlock(exchange)),
      ...payloads.map((payload, piece) => frame(DATA, piece === payloads.length - 1 ? END_STREAM : 0, 0, payload))
    ]
    this.#frames = Buffer.concat(frames)
    let at = 0
    /** Where the number of the stream stands in each frame. */
    this.numbers = frames.map(({ length }) => (at += length) - length + 5)
    // As much of the answers as may ever come.
    const window = Buffer.alloc(4)
    window.writeUInt32BE(0x7fff_0000)
    const preface = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(SETTINGS, 0, 0, Buffer.alloc(0)), frame(WINDOW_UPDATE, 0, 0, window)])
    this.#bytes = preface.length
    this.push(preface)
  }

  get bytesRead () { return this.#bytes }
  get bytesWritten () { return this.#written }

  /** @override */
  _read () {}

  /**
   * @override
   * @param {Buffer} chunk
   * @param {BufferEncoding} _encoding
   * @param {() => void} done
   */
  _write (chunk, _encoding, done) {
    this.#written += chunk.length
    done()
    let rest = this.#unparsed.length === 0 ? chunk : Buffer.concat([this.#unparsed, chunk])
    while (rest.length >= FRAME_HEAD && rest.length >= FRAME_HEAD + rest.readUIntBE(0, 3)) {
      if (rest[3] === DATA && ((rest[4] ?? 0) & END_STREAM) !== 0 && rest.readUInt32BE(5) === this.#stream) setImmediate(this.#answered)
      rest = rest.subarray(FRAME_HEAD + rest.readUIntBE(0, 3))
    }
    this.#unparsed = rest
  }

  ask () {
    return new Promise((resolve) => {
      this.#answered = resolve
      this.#stream += 2
      const frames = Buffer.from(this.#frames)
      for (const at of this.numbers) frames.writeUInt32BE(this.#stream, at)
      this.#bytes += frames.length
      this.push(frames)
    })
  }
}
