import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { connect as connectTLS } from 'node:tls'

/** So long a client waits for what must come, in milliseconds. */
const PATIENCE = 15_000

/** One connection of a client that writes bytes as it is told. */
export class Connection {
  text = ''
  /** Bytes that came. */
  received = 0
  isClosed = false
  #waiting = new Set()

  /**
   * @param {number} port
   * @param {boolean} tls
   * @param {{ keepsText?: boolean }} [options] whether what comes is kept
   */
  constructor (port, tls, { keepsText = true } = {}) {
    this.tcp = connect(port, '127.0.0.1')
    this.socket = tls ? connectTLS({ socket: this.tcp, rejectUnauthorized: false }) : this.tcp
    this.ready = once(this.socket, tls ? 'secureConnect' : 'connect')
    this.socket.on('data', (chunk) => {
      this.received += chunk.length
      if (keepsText || this.text.length < 1_000) this.text += chunk.toString('latin1')
      this.#check()
    })
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.isClosed = true
      this.#check()
    })
  }

  /** @param {string} bytes */
  async write (bytes) {
    if (!this.socket.writable) return
    await new Promise((resolve) => this.socket.write(bytes, 'latin1', resolve))
  }

  /**
   * Resolves once the condition holds.
   *
   * @param {string} what
   * @param {() => boolean} condition
   */
  async until (what, condition) {
    /** @type {() => void} */
    let check = () => {}
    /** @type {Promise<true>} */
    const held = new Promise((resolve) => { check = () => { if (condition()) resolve(true) } })
    this.#waiting.add(check)
    check()
    const isHeld = await Promise.race([held, delay(PATIENCE, false, { ref: false })])
    this.#waiting.delete(check)
    if (!isHeld) throw new Error(`waited ${PATIENCE} ms for ${what}, got ${JSON.stringify(this.text.slice(0, 200))}`)
  }

  /**
   * Resolves once the answer has come that matches.
   *
   * @param {RegExp} pattern
   */
  async answered (pattern) {
    await this.until(String(pattern), () => pattern.test(this.text) || this.isClosed)
    if (!pattern.test(this.text)) throw new Error(`closed before ${pattern}: ${JSON.stringify(this.text.slice(0, 200))}`)
  }

  closed () {
    return this.until('the end of the connection', () => this.isClosed)
  }

  /** The status of the last answer; 0 if there is none. */
  get status () {
    return Number([...this.text.matchAll(/HTTP\/1\.1 (\d+) /g)].at(-1)?.[1] ?? 0)
  }

  /** Leaves, with a reset. */
  async reset () {
    this.tcp.resetAndDestroy()
    await this.closed()
  }

  async end () {
    this.socket.end()
    await this.closed()
  }

  #check () {
    for (const check of this.#waiting) check()
  }
}

/**
 * @param {string} method
 * @param {string} url
 * @param {Readonly<Record<string, string | number>>} [headers]
 */
export function head (method, url, headers = {}) {
  return `${method} ${url} HTTP/1.1\r\nHost: soak\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}

/** @param {string} data */
export function chunk (data) {
  return `${data.length.toString(16)}\r\n${data}\r\n`
}
