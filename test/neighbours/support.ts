import { once } from 'node:events'
import http from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { ReadGuardOptions } from '../../lib/index.js'
import { chunk, head, parseAnswers, RawClient, type Seen } from '../support/client/raw-client.js'

export async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // of a server that listens on a port
  server.close()
  return port
}

/** Whether anything is answered there. */
export async function answers (url: string): Promise<boolean> {
  try {
    await fetch(url)
    return true
  } catch {
    return false
  }
}

/** Where a proxy passes requests on to. */
export interface Upstream {
  readonly url: string
  /** Requests whose connection still stands. */
  readonly open: number
}

/** Answers a request that came whole with the number of its bytes. */
export async function upstream (t: Test): Promise<Upstream> {
  let open = 0
  const server = http.createServer((request, response) => {
    open++
    request.socket.once('close', () => { open-- })
    let bytes = 0
    request.on('data', (data: Buffer) => { bytes += data.length })
    request.on('error', () => {})
    request.on('end', () => response.setHeader('Connection', 'close').end(`upstream got ${bytes}`))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close().closeAllConnections() })
  const { port } = server.address() as AddressInfo // of a server that listens on a port
  return { url: `http://127.0.0.1:${port}`, get open () { return open } }
}

/** A body that fails after its first chunk, which is `hello`, sent chunked. */
export interface FailingBody {
  readonly name: string
  readonly guard: ReadGuardOptions
  readonly code: string
  readonly statusCode: number
  /** What follows the first chunk. */
  readonly then: (client: RawClient) => void
}

const linger = { timeout: 300 }

export const answerable: readonly FailingBody[] = [
  { name: 'stalls', guard: { bodyIdleTimeout: 300, linger }, code: 'FST_READ_BODY_IDLE_TIMEOUT', statusCode: 408, then: () => {} },
  { name: 'is too slow', guard: { minBodyRate: { bytesPerSecond: 1000, gracePeriod: 300 }, linger }, code: 'FST_READ_BODY_TOO_SLOW', statusCode: 408, then: () => {} },
  { name: 'is too large', guard: { bodyLimit: 8, linger }, code: 'FST_READ_BODY_TOO_LARGE', statusCode: 413, then: (client) => { client.write(chunk('hello')) } },
  { name: 'has a bad chunk', guard: { linger }, code: 'FST_READ_MALFORMED', statusCode: 400, then: (client) => { client.write('zz\r\n') } }
]

export const left: FailingBody = { name: 'is left by its client', guard: { linger }, code: 'FST_READ_ABORTED', statusCode: 499, then: (client) => client.rst() }

/** A client that has sent the first chunk. */
export async function begin (port: number, url: string, headers: Readonly<Record<string, string>> = {}): Promise<RawClient> {
  const client = new RawClient(port)
  await client.write(head('POST', url, { 'Content-Type': 'application/octet-stream', 'Transfer-Encoding': 'chunked', ...headers }) + chunk('hello'))
  return client
}

/** Lets handlers have bodies unparsed, and ones that are not to be parsed. */
export function takeBodiesRaw (app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
}

/** As `client.closed`; rejects, and leaves, where nobody ends the connection. */
export async function ended (client: RawClient, longest = 5_000): Promise<Seen> {
  const timer = setTimeout(() => client.socket.destroy(new Error('nobody ended the connection')), longest)
  const seen = await client.closed
  clearTimeout(timer)
  if (seen.end === 'nobody ended the connection') throw new Error(`${seen.end} within ${longest} ms: ${JSON.stringify(seen.text)}`)
  return seen
}

/** The statuses of the answers that a client got, without the interim ones. */
export function statuses (text: string): number[] {
  return parseAnswers(text).map(answer => answer.statusCode)
}

/** All that a client gets for a request that ends its connection, without what differs from one moment to the next. */
export async function bytesFor (port: number, request: string): Promise<string> {
  const client = new RawClient(port)
  await client.write(request)
  const { text } = await ended(client)
  return text.replaceAll(/^date: .*$/gim, 'Date: now')
}
