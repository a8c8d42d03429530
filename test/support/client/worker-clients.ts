import { Worker, type MessagePort } from 'node:worker_threads'
import type * as net from 'node:net'
import type { Seen } from './raw-client.js'
import { transport } from '../app/transport.js'

/** One connection of a client in a thread of its own. */
export interface Script {
  readonly port: number
  /** Sent at once; nothing may be. */
  readonly first: string
  /** Sent after `go()`, each so many milliseconds after the one before. */
  readonly then: ReadonlyArray<{ readonly after: number, readonly bytes: string }>
}

type Message = { sent: number } | { index: number, seen: Seen }

/** Runs in the thread: it sees nothing of this module but its arguments. */
function send (scripts: readonly Script[], { connect }: typeof net, parent: MessagePort): void {
  const begun = performance.now()
  let sent = 0
  const sockets = scripts.map(({ port, first }, index) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, ...{ rejectUnauthorized: false } }) // for TLS
    let text = ''
    let end = 'none'
    socket.setEncoding('latin1')
    socket.on('data', (data: string) => { text += data })
    socket.on('end', () => {
      end = 'FIN'
      socket.end()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => { end = error.code ?? error.message })
    socket.on('close', () => parent.postMessage({ index, seen: { text, end, elapsed: performance.now() - begun } }))
    socket.on('connect', () => socket.write(Buffer.from(first, 'latin1'), () => {
      sent++
      if (sent === scripts.length) parent.postMessage({ sent })
    }))
    return socket
  })
  const play = async (socket: net.Socket, then: Script['then']): Promise<void> => {
    for (const { after, bytes } of then) {
      await new Promise((resolve) => setTimeout(resolve, after))
      if (socket.writable) socket.write(Buffer.from(bytes, 'latin1'))
    }
  }
  parent.once('message', () => {
    scripts.forEach(({ then }, index) => {
      const socket = sockets[index]
      if (socket !== undefined) play(socket, then)
    })
  })
}

/** Clients that go on sending while this thread is blocked. */
export class WorkerClients {
  /** All connections stand, and have sent what comes first. */
  readonly ready: Promise<void>
  /** What each saw, in the order of the scripts, once all are closed. */
  readonly closed: Promise<Seen[]>
  readonly #worker: Worker

  constructor (scripts: readonly Script[]) {
    const source = `const { parentPort, workerData } = require('node:worker_threads')
      ;(${String(send)})(workerData, require('node:${transport.tls ? 'tls' : 'net'}'), parentPort)`
    const worker = new Worker(source, { eval: true, workerData: scripts, execArgv: [], env: {} })
    this.#worker = worker
    this.ready = new Promise((resolve, reject) => {
      worker.on('error', reject)
      worker.on('message', (message: Message) => { if ('sent' in message) resolve() })
    })
    this.closed = new Promise((resolve, reject) => {
      const seen: Seen[] = []
      let open = scripts.length
      worker.on('error', reject)
      worker.on('message', (message: Message) => {
        if (!('seen' in message)) return
        seen[message.index] = message.seen
        open--
        if (open === 0) resolve(seen)
      })
    })
  }

  /** Starts what comes next. */
  go (): void {
    this.#worker.postMessage('go')
  }

  async stop (): Promise<void> {
    await this.#worker.terminate()
  }
}

/** Blocks this thread, and leaves the processor to others. */
export function block (ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
