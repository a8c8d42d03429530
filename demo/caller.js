import net from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * What came of a call.
 *
 * @typedef {object} Outcome
 * @property {number | undefined} status of the first answer; none where the connection ended without
 * @property {string | undefined} code in the answer
 * @property {boolean} held whether the connection was still open when the demo ended it
 * @property {boolean} cut whether there is less of the answer than it says
 * @property {boolean} left whether the client itself hung up
 * @property {number} after milliseconds from connecting to the end
 */

/** One raw connection, which sends what it is told and keeps what it got. */
export class Caller {
  #text = ''
  #left = false
  #held = false
  #started = performance.now()
  /** @type {net.Socket} */
  #socket
  /** @type {Promise<void>} */
  #closed

  /** @param {number} port */
  constructor (port) {
    this.#socket = net.connect({ port, host: '127.0.0.1' })
    this.#socket.setEncoding('latin1').on('data', (text) => { this.#text += text })
    this.#socket.on('error', () => {}) // How it ended is seen in 'close'.
    this.#closed = new Promise((resolve) => this.#socket.on('close', () => resolve()))
  }

  /** Its own port, by which the server knows it. */
  get port () {
    return this.#socket.localPort
  }

  get open () {
    return this.#socket.writable
  }

  /** @param {string} bytes */
  send (bytes) {
    if (this.open) this.#socket.write(bytes)
  }

  /**
   * Sends the same again and again, until it is stopped.
   *
   * @param {string} bytes
   * @param {number} pause in milliseconds
   */
  async trickle (bytes, pause) {
    while (this.open) {
      this.send(bytes)
      await delay(pause)
    }
  }

  /** @param {number} count how many answers to wait for, at most until the connection ends */
  async answers (count) {
    while (!this.#socket.destroyed && this.#text.split('HTTP/1.1 ').length <= count) await delay(5)
  }

  /** Takes no more of what comes. */
  stopReading () {
    this.#socket.pause()
  }

  goOnReading () {
    this.#socket.resume()
  }

  leave () {
    this.#left = true
    this.#socket.destroy()
  }

  /** The demo can't wait any longer. */
  cut () {
    this.#held = !this.#socket.destroyed
    this.#socket.destroy()
  }

  /** @returns {Promise<Outcome>} when the connection has ended */
  async outcome () {
    await this.#closed
    const [, status] = /^HTTP\/1\.1 (\d+)/.exec(this.#text) ?? []
    const [head = '', length = 0] = /^[^]*?content-length: (\d+)[^]*?\r\n\r\n/i.exec(this.#text) ?? []
    const [, code] = /"code":"(\w+)"/.exec(this.#text) ?? []
    return {
      status: status === undefined ? undefined : Number(status),
      code,
      held: this.#held,
      cut: this.#text.length < head.length + Number(length),
      left: this.#left,
      after: performance.now() - this.#started
    }
  }
}
