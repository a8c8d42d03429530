import { once } from 'node:events'
import { createServer } from 'node:net'

/** A port that nothing listens on, for a program that can't tell which one it was given. */
export async function freePort () {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address()) // it listens on a port
  server.close()
  await once(server, 'close')
  return port
}
