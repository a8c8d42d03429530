import net from 'node:net'
import tls from 'node:tls'
import { transport } from '../app/transport.js'

/** What one raw client saw of its connection. */
export interface Seen {
  /** Every byte the server sent, as latin1. */
  readonly text: string
  /** Milliseconds from connect to close. */
  readonly elapsed: number
  /** 'FIN' where the server ended in order, an error code where the connection broke. */
  readonly end: string
}

export interface Answer {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly json: Record<string, unknown>
}

export interface RawClientOptions {
  readonly tls?: boolean
  readonly host?: string
  /** Of a Unix socket, in the place of port and host. */
  readonly path?: string
  /** What TLS is to agree on: `h2` for HTTP/2. */
  readonly alpn?: string
  /** TLS on a connection that stands. */
  readonly over?: net.Socket
  /** Goes on when the server has ended its side. */
  readonly stays?: boolean
}

/** A client that writes bytes as it is told, and keeps what it got. */
export class RawClient {
  text = ''
  /** Bytes that were written, without those of TLS. */
  sent = 0
  readonly socket: net.Socket
  readonly closed: Promise<Seen>
  /** What TLS runs over. */
  readonly #tcp: net.Socket
  readonly #waiting = new Set<() => void>()

  constructor (port: number, options: RawClientOptions = {}) {
    const { host = '127.0.0.1', over } = options
    const started = performance.now()
    this.#tcp = over ?? net.connect({ ...(options.path === undefined ? { port, host } : { path: options.path }), allowHalfOpen: true })
    this.socket = options.tls ?? transport.tls
      ? tls.connect({ socket: this.#tcp, rejectUnauthorized: false, ...(options.alpn === undefined ? {} : { ALPNProtocols: [options.alpn] }) })
      : this.#tcp
    let end = 'none'
    this.socket.setEncoding('latin1')
    this.socket.on('data', (text: string) => {
      this.text += text
      for (const check of this.#waiting) check()
    })
    this.socket.on('end', () => {
      if (end === 'none') end = 'FIN'
      if (options.stays !== true) this.socket.end()
    })
    this.socket.on('error', (error: NodeJS.ErrnoException) => { end = error.code ?? error.message })
    this.closed = new Promise((resolve) => {
      this.socket.on('close', () => {
        for (const check of this.#waiting) check()
        resolve({ text: this.text, elapsed: performance.now() - started, end })
      })
    })
  }

  connected (): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.socket.connecting) return resolve()
      this.socket.once('connect', resolve)
      this.socket.once('error', reject)
    })
  }

  /** Resolves when bytes of the protocol can be sent. */
  ready (): Promise<void> {
    return this.socket instanceof tls.TLSSocket ? this.secured() : this.connected()
  }

  /** Resolves when the TLS handshake is over. */
  secured (): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.once('secureConnect', resolve)
      this.socket.once('error', reject)
    })
  }

  /** Writes; resolves once the bytes are with the kernel, or the connection is gone. */
  write (bytes: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      if (this.socket.destroyed || !this.socket.writable) return resolve()
      this.sent += bytes.length
      this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes, () => resolve())
    })
  }

  /** Writes piece by piece with a pause before each, until all is written or the connection is gone. */
  async trickle (pieces: Iterable<string | Uint8Array>, pause: number): Promise<void> {
    for (const piece of pieces) {
      await delay(pause)
      if (this.socket.destroyed || !this.socket.writable) return
      await this.write(piece)
    }
  }

  /** Writes the same bytes again and again, as fast as they are taken, until the connection is gone. */
  async flood (bytes: string | Uint8Array): Promise<void> {
    while (!this.socket.destroyed && this.socket.writable) await this.write(bytes)
  }

  fin (): void {
    this.socket.end()
  }

  rst (): void {
    this.#tcp.resetAndDestroy()
  }

  /** Resolves when what was received matches; rejects when the connection closes without. */
  until (pattern: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        if (pattern.test(this.text)) {
          this.#waiting.delete(check)
          resolve(this.text)
        } else if (this.socket.destroyed) {
          this.#waiting.delete(check)
          reject(new Error(`closed before ${String(pattern)}: ${JSON.stringify(this.text)}`))
        }
      }
      this.#waiting.add(check)
      check()
    })
  }
}

export function delay (ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Pieces for a trickle. */
export function * repeat (bytes: string, times: number): Generator<string> {
  for (let i = 0; i < times; i++) yield bytes
}

/** Parses the answers on a connection; each must have a Content-Length, or be chunked. */
export function parseAnswers (text: string): Answer[] {
  const answers: Answer[] = []
  let rest = text
  while (rest !== '') {
    const headEnd = rest.indexOf('\r\n\r\n')
    if (headEnd < 0) throw new Error(`no complete head in ${JSON.stringify(rest)}`)
    const [statusLine = '', ...lines] = rest.slice(0, headEnd).split('\r\n')
    const headers: Record<string, string> = {}
    for (const line of lines) {
      const colon = line.indexOf(':')
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
    }
    rest = rest.slice(headEnd + 4)
    const statusCode = Number(statusLine.split(' ')[1])
    if (statusCode < 200) continue
    let body: string
    if (headers['transfer-encoding'] === 'chunked') {
      [body, rest] = dechunk(rest)
    } else {
      const length = Number(headers['content-length'] ?? 0)
      if (rest.length < length) throw new Error(`body cut short: ${JSON.stringify(rest)}`)
      body = rest.slice(0, length)
      rest = rest.slice(length)
    }
    const json = /json/.test(headers['content-type'] ?? '') ? JSON.parse(body) as Record<string, unknown> : {}
    answers.push({ statusCode, headers, body, json })
  }
  return answers
}

function dechunk (text: string): [body: string, rest: string] {
  let body = ''
  let at = 0
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at)
    if (lineEnd < 0) throw new Error('chunk cut short')
    const size = parseInt(text.slice(at, lineEnd), 16)
    if (size === 0) return [body, text.slice(lineEnd + 4)]
    body += text.slice(lineEnd + 2, lineEnd + 2 + size)
    at = lineEnd + 2 + size + 2
  }
}

/** The single answer on a connection. */
export function onlyAnswer (seen: { readonly text: string }): Answer {
  const answers = parseAnswers(seen.text)
  const [answer] = answers
  if (answers.length !== 1 || answer === undefined) throw new Error(`${answers.length} answers: ${JSON.stringify(seen.text)}`)
  return answer
}

/** A request head, with `Host` and what is given. */
export function head (method: string, url: string, headers: Readonly<Record<string, string | number>> = {}): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${url} HTTP/1.1\r\nHost: localhost\r\n${lines.join('')}\r\n`
}

export function chunk (data: string): string {
  return `${data.length.toString(16)}\r\n${data}\r\n`
}
