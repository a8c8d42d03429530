import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { ReadGuardOptions } from '../../lib/index.js'
import { guardedApp, type GuardedAppWith } from '../support/app/guarded-app.js'
import { head, onlyAnswer, RawClient, type Answer } from '../support/client/raw-client.js'
import { takeBodiesRaw } from './support.js'

/** More than the kernel and a proxy's buffers in memory hold for a client that does not read. */
export const LARGE = 64_000_000

/** What came to the application. */
export interface Arrived {
  readonly url: string
  readonly contentLength: string | undefined
  readonly transferEncoding: string | undefined
  readonly expect: string | undefined
  readonly remotePort: number | undefined
}

function routesBelow (app: FastifyInstance, prefix: string, arrived: Arrived[]): void {
  app.post(`${prefix}/upload`, async (request) => {
    let bytes = 0
    for await (const chunk of request.raw) bytes += (chunk as Buffer).length // as long as nothing sets an encoding
    return { bytes }
  })
  // Answers when the test is long over, unless the client leaves.
  app.post(`${prefix}/think`, async (request) => {
    await request.raw.resume().toArray()
    await delay(20_000, undefined, { ref: false, signal: request.readGuard.signal }).catch(() => {})
    return {}
  })
  app.get(`${prefix}/download`, async (_request, reply) => reply.header('content-type', 'application/octet-stream').send(Buffer.alloc(LARGE)))
  app.addHook('onRequest', async (request) => {
    const { headers, socket, url } = request.raw
    if (url !== '/health') arrived.push({ url: url ?? '', contentLength: headers['content-length'], transferEncoding: headers['transfer-encoding'], expect: headers.expect, remotePort: socket.remotePort })
  })
}

/** An application as it stands behind a proxy: it trusts what the proxy says of the client, and takes its id of the request. */
export async function proxiedApp (t: Test, guard: ReadGuardOptions = {}, server: object = {}): Promise<GuardedAppWith<{ arrived: Arrived[] }>> {
  return await guardedApp({
    t,
    guard,
    fastify: { trustProxy: '127.0.0.1', requestIdHeader: 'x-request-id', ...server },
    routes: (app) => {
      takeBodiesRaw(app)
      app.get('/health', async () => ({ status: 'up' }))
      const arrived: Arrived[] = []
      for (const prefix of ['', '/files', '/forms']) app.register(async (scope) => { routesBelow(scope, prefix, arrived) })
      return { arrived }
    }
  })
}

/** A client that has sent the head of an upload, and so many bytes of the body that it declared. */
export async function beginUpload (port: number, url: string, declared: number, sent: number, headers: Readonly<Record<string, string>> = {}): Promise<RawClient> {
  const client = new RawClient(port)
  await client.write(head('POST', url, { 'Content-Type': 'application/octet-stream', 'Content-Length': declared, ...headers }) + 'x'.repeat(sent))
  return client
}

/** The answer, JSON or a proxy's page, that a client has got whole, on a connection that may stand; rejects where the connection closes without. */
export async function answerTo (client: RawClient): Promise<Answer> {
  await client.until(/\r\n\r\n.*(?:\}|<\/html>\s*)$/s)
  return onlyAnswer(client)
}
