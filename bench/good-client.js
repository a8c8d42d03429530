import { connect } from 'node:net'

const REQUEST = 'GET / HTTP/1.1\r\nHost: bench\r\n\r\n'
const ANSWER = /HTTP\/1\.1 200/g

/** @typedef {{ socket: import('node:net').Socket, waiting: number[] }} Connection `waiting`: when the requests without an answer were sent */

/**
 * A well-behaved client: so many requests in a second, spread over its connections, and sent on time, answered or not,
 * so that a server that is slow for a while is measured for all of that while.
 */
export class GoodClient {
  /** @type {Connection[]} */
  #connections = []
  /** @type {number[]} */
  #durations = []
  #timer
  failed = 0

  /**
   * @param {number} port
   * @param {number} perSecond
   * @param {number} connections
   */
  constructor (port, perSecond, connections) {
    for (let i = 0; i < connections; i++) this.#connections.push(this.#connect(port))
    const started = performance.now()
    let sent = 0
    this.#timer = setInterval(() => {
      for (const due = (performance.now() - started) * perSecond / 1_000; sent < due; sent++) this.#send(sent % connections)
    }, 1)
  }

  /**
   * @param {number} port
   * @returns {Connection}
   */
  #connect (port) {
    const socket = connect(port, '127.0.0.1').setNoDelay(true)
    /** @type {number[]} */
    const waiting = []
    socket.on('data', (chunk) => {
      const now = performance.now()
      const answers = chunk.toString('latin1').match(ANSWER)?.length ?? 0
      for (const sentAt of waiting.splice(0, answers)) this.#durations.push(now - sentAt)
    })
    socket.on('error', () => {})
    socket.on('close', () => { this.failed += waiting.length })
    return { socket, waiting }
  }

  /** @param {number} index of the connection */
  #send (index) {
    const connection = this.#connections[index]
    if (connection === undefined || connection.socket.destroyed) this.failed++
    else {
      connection.waiting.push(performance.now())
      connection.socket.write(REQUEST)
    }
  }

  /** Milliseconds of the requests answered since it was last asked, those still unanswered as old as they are now. */
  take () {
    const now = performance.now()
    const unanswered = this.#connections.flatMap(({ waiting }) => waiting.map((sentAt) => now - sentAt))
    const durations = [...this.#durations, ...unanswered.filter((age) => age > 1_000)]
    this.#durations = []
    return durations
  }

  stop () {
    clearInterval(this.#timer)
    for (const { socket } of this.#connections) socket.destroy()
  }
}
