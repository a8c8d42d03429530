import { once } from 'node:events'
import net from 'node:net'
import { delay } from './raw-client.js'

/** Stands between a client and a server, and passes on what the client sends: at once, or byte by byte. */
export class Relay {
  /** Milliseconds before each byte; 0 passes all of them on at once. */
  pause = 0
  readonly #server: net.Server

  constructor (port: number) {
    this.#server = net.createServer({ allowHalfOpen: true }, (client) => {
      const server = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
      for (const socket of [client, server]) socket.on('error', () => {})
      server.pipe(client)
      server.on('close', () => client.destroySoon())
      client.on('close', () => server.destroy())
      this.#pass(client, server).catch(() => {})
    })
  }

  /** @returns a connection to the server that leads through it */
  async connect (): Promise<net.Socket> {
    if (!this.#server.listening) await once(this.#server.listen(0, '127.0.0.1'), 'listening')
    const { port } = this.#server.address() as net.AddressInfo
    return net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  }

  close (): void {
    this.#server.close()
  }

  async #pass (client: net.Socket, server: net.Socket): Promise<void> {
    for await (const chunk of client as AsyncIterable<Buffer>) {
      for (const piece of this.pause > 0 ? chunk.values() : [chunk]) {
        if (this.pause > 0) await delay(this.pause)
        if (!server.writable) return
        server.write(typeof piece === 'number' ? Buffer.of(piece) : piece)
      }
    }
    server.end()
  }
}
