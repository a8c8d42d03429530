import type { FastifyInstance } from 'fastify'
import type { AbortRecord, ReadGuardOptions } from '../../../lib/index.js'
import { Http2Client } from '../client/http2-client.js'
import { data, Flag, headers, requestBlock, rstStream } from '../client/http2-frames.js'
import { head, onlyAnswer, RawClient } from '../client/raw-client.js'
import { until } from '../oracle/until.js'
import { guardedApp, type GuardedApp, type GuardedAppOptions, type GuardedAppWith } from './guarded-app.js'
import { responseRoutes, type ResponseFacts } from './response-routes.js'

const LIMIT = 250
const BODY_LIMIT = 100

const guard: ReadGuardOptions = { handshakeTimeout: LIMIT, headersTimeout: LIMIT, bodyIdleTimeout: LIMIT, bodyLimit: BODY_LIMIT, resolution: 20 }

/** A read that failed, as its client knows it. */
export interface KnownFailure {
  readonly reason: string
  readonly phase: AbortRecord['phase']
  readonly method?: string
  /** Pattern of the route, where the client asked for one that there is. */
  readonly route?: string
}

/** An application in which a read can fail in every phase. */
export async function failingApp (options: Omit<GuardedAppOptions, 'routes'> & { readonly routes?: (app: FastifyInstance) => void | Promise<void> }): Promise<GuardedAppWith<ResponseFacts>> {
  return await guardedApp<ResponseFacts>({
    ...options,
    guard: { ...guard, ...options.guard },
    routes: async (app) => {
      await options.routes?.(app)
      app.addHttpMethod('MKCOL', { hasBody: true })
      app.route({ method: ['POST', 'MKCOL'], url: '/notes/:id', handler: async () => 'saved' })
      app.post('/measured', { config: { readGuard: { requireContentLength: true } } }, async () => 'saved')
      return responseRoutes(app)
    }
  })
}

/** The reason that a code stands for. */
function reasonOf (code: unknown): string {
  return code === 'FST_READ_ABORTED' ? 'client_aborted' : String(code).replace('FST_READ_', '').toLowerCase()
}

/** Failed reads of applications by reason, as their `stats()` have them. */
export function statsByReason (...apps: ReadonlyArray<Pick<GuardedApp, 'app'>>): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const { app } of apps) {
    for (const [code, count] of Object.entries(app.readGuard.stats().aborted)) sums[reasonOf(code)] = (sums[reasonOf(code)] ?? 0) + count
  }
  return sums
}

const text = { 'Content-Type': 'text/plain' }

/** What one client does, with what it sends, where it is answered. The answer names the reason. */
async function refused (port: number, tls: boolean, wire: string, known: Omit<KnownFailure, 'reason'>): Promise<KnownFailure> {
  const client = new RawClient(port, { tls })
  await client.write(wire)
  const { json } = onlyAnswer(await client.closed)
  return { reason: reasonOf(json['code']), ...known }
}

/** Clients of HTTP/1 whose reads fail, in every phase that there is, and what they know of it. */
export async function failOverHttp1 ({ app, port, begun }: GuardedAppWith<ResponseFacts>, { tls }: { readonly tls: boolean }): Promise<KnownFailure[]> {
  const stalled = (method: string, url: string): string => head(method, url, { ...text, 'Content-Length': 9 }) + 'ab'
  const reached = (url: string): Promise<void> => until(() => begun.some((request) => request.url === url), `${url} is handled`)

  async function stallHandshake (): Promise<KnownFailure> {
    const client = new RawClient(port, { tls: false })
    await client.connected()
    await client.closed
    return { reason: 'handshake_timeout', phase: 'handshake' }
  }

  async function leaveBody (): Promise<KnownFailure> {
    const client = new RawClient(port, { tls })
    await client.write(stalled('POST', '/notes/left'))
    await until(() => app.readGuard.stats().reading.body > 0, 'a body is read')
    client.fin()
    await client.closed
    return { reason: 'client_aborted', phase: 'body', method: 'POST', route: '/notes/:id' }
  }

  async function leaveHandler (): Promise<KnownFailure> {
    const client = new RawClient(port, { tls })
    await client.write(head('GET', '/slow'))
    await reached('/slow')
    client.rst()
    return { reason: 'response_aborted', phase: 'handler', method: 'GET', route: '/slow' }
  }

  async function leaveResponse (): Promise<KnownFailure> {
    const client = new RawClient(port, { tls })
    await client.write(head('GET', '/endless'))
    await client.until(/\r\n\r\n/)
    client.rst()
    return { reason: 'response_aborted', phase: 'response', method: 'GET', route: '/endless' }
  }

  return await Promise.all([
    ...(tls ? [stallHandshake()] : []),
    refused(port, tls, 'GET / HT', { phase: 'headers' }),
    refused(port, tls, '\0\r\n\r\n', { phase: 'headers' }),
    refused(port, tls, stalled('POST', '/notes/1'), { phase: 'body', method: 'POST', route: '/notes/:id' }),
    refused(port, tls, stalled('POST', '/notes/2'), { phase: 'body', method: 'POST', route: '/notes/:id' }),
    refused(port, tls, stalled('MKCOL', '/notes/3'), { phase: 'body', method: '_OTHER', route: '/notes/:id' }),
    refused(port, tls, head('POST', '/notes/4', { ...text, 'Content-Length': BODY_LIMIT + 1 }), { phase: 'body', method: 'POST', route: '/notes/:id' }),
    refused(port, tls, head('POST', '/measured', { ...text, 'Transfer-Encoding': 'chunked' }), { phase: 'body', method: 'POST', route: '/measured' }),
    leaveBody(),
    leaveHandler(),
    leaveResponse()
  ])
}

/** Streams of HTTP/2 whose reads fail, and what their client knows of it. */
export async function failOverHttp2 ({ port, begun }: GuardedAppWith<ResponseFacts>): Promise<KnownFailure[]> {
  const client = await new Http2Client(port, { stays: true }).open()
  await client.write(headers(1, requestBlock('POST', '/notes/1', { 'content-type': 'text/plain' })), data(1, 'ab'))
  await client.write(headers(3, requestBlock('GET', '/slow'), Flag.END_HEADERS | Flag.END_STREAM))
  await until(() => begun.some(({ url }) => url === '/slow'), 'it is handled')
  await client.write(rstStream(3))
  const { json } = await client.answer(1)
  client.raw.socket.destroy()
  return [
    { reason: reasonOf(json['code']), phase: 'body', method: 'POST', route: '/notes/:id' },
    { reason: 'response_aborted', phase: 'handler', method: 'GET', route: '/slow' }
  ]
}

/** How many there are of each, by what the text says of it. */
export function tally<T> (items: Iterable<T>, describe: (item: T) => string): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const item of items) counts[describe(item)] = (counts[describe(item)] ?? 0) + 1
  return counts
}
