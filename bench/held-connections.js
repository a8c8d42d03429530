import { once } from 'node:events'
import { connect } from 'node:net'

/** How many connections are opened at a time: no more than the listening socket lets wait. */
const BURST = 500

/** Connections that are held open for as long as they are needed. */
export class HeldConnections {
  /** @type {import('node:net').Socket[]} */
  #sockets = []
  /** @type {NodeJS.Timeout | undefined} */
  #trickle

  /**
   * Opens so many, and has each write the bytes.
   *
   * @param {number} port
   * @param {number} count
   * @param {string} [bytes]
   */
  async open (port, count, bytes = '') {
    for (let opened = 0; opened < count; opened += BURST) {
      await Promise.all(Array.from({ length: Math.min(BURST, count - opened) }, () => this.#connect(port, bytes)))
    }
  }

  /**
   * @param {number} port
   * @param {string} bytes
   */
  async #connect (port, bytes) {
    // Half open: one that ignores that the server has closed is the worst of clients.
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    socket.on('error', () => {})
    this.#sockets.push(socket)
    await once(socket, 'connect')
    if (bytes !== '') socket.write(bytes)
    socket.resume()
  }

  /**
   * Has each write, and waits until each has got an answer.
   *
   * @param {string} bytes
   */
  async exchange (bytes) {
    for (let first = 0; first < this.#sockets.length; first += BURST) {
      await Promise.all(this.#sockets.slice(first, first + BURST).map(async (socket) => {
        const answered = once(socket, 'data')
        socket.write(bytes)
        await answered
      }))
    }
  }

  /** @param {string} bytes */
  write (bytes) {
    for (const socket of this.#sockets) socket.write(bytes)
  }

  /**
   * From now on every connection writes once in so many milliseconds, one after the other.
   *
   * @param {number} every
   * @param {() => string} bytes
   */
  trickle (every, bytes) {
    const slices = every / 20
    let turn = 0
    this.#trickle = setInterval(() => {
      for (let i = turn; i < this.#sockets.length; i += slices) {
        const socket = this.#sockets[i]
        if (socket?.writable === true) socket.write(bytes())
      }
      turn = (turn + 1) % slices
    }, 20)
  }

  /** Resets them, so that nothing is left behind in the system. */
  close () {
    clearInterval(this.#trickle)
    for (const socket of this.#sockets) socket.resetAndDestroy()
    this.#sockets = []
  }
}
