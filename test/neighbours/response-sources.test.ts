import { once } from 'node:events'
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import httpProxy from '@fastify/http-proxy'
import staticFiles from '@fastify/static'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { guardedApp, noise, type GuardedApp } from '../support/app/guarded-app.js'
import type { Protocol } from '../support/app/transport.js'
import { delay, head, RawClient } from '../support/client/raw-client.js'
import { deserted } from '../support/oracle/server-state.js'
import { until } from '../support/oracle/until.js'

/*
 * Responses that come from somewhere: a file, another server, a cursor. What they come from is released when the client
 * leaves, or takes nothing.
 */

t.jobs = 4

/** More than what the kernel takes for a client that does not read. */
const SIZE = 24_000_000
/** Where a part of it begins, and how long it is. */
const FROM = 1_000_000
const LIMIT = 500

interface Source {
  readonly name: string
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  /** Bytes of the body. */
  readonly size: number
  readonly statusCode: number
  readonly route: (app: FastifyInstance, t: Test) => unknown
  /** How much of what the response comes from is open. */
  readonly open: () => number
}

const folder = mkdtempSync(join(tmpdir(), 'response-sources-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const file = join(folder, 'large.bin')
writeFileSync(file, Buffer.alloc(SIZE))

/** How often this process has the file open. */
function openFiles (): number {
  return readdirSync('/proc/self/fd').filter((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`) === file
    } catch {
      return false // that of the folder itself
    }
  }).length
}

const serveFolder = (app: FastifyInstance): unknown => app.register(staticFiles, { root: folder })
const canCount = process.platform === 'linux'

let upstreams = 0
let cursors = 0

async function proxyTo (app: FastifyInstance, t: Test): Promise<void> {
  const upstream = http.createServer((_request, response) => {
    upstreams++
    response.on('close', () => { upstreams-- })
    response.setHeader('Content-Length', SIZE)
    Readable.from(pieces()).pipe(response)
  }).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  t.teardown(() => { upstream.close().closeAllConnections() })
  const { port } = upstream.address() as AddressInfo // of a server that listens on a port
  await app.register(httpProxy, { upstream: `http://127.0.0.1:${port}` })
}

function * pieces (): Generator<Buffer> {
  for (let sent = 0; sent < SIZE; sent += 100_000) yield Buffer.alloc(100_000)
}

/** As a database has it. */
async function * rows (): AsyncGenerator<Buffer> {
  cursors++
  try {
    yield * pieces()
  } finally {
    cursors--
  }
}

const sources: readonly Source[] = [
  { name: 'a file of @fastify/static', url: '/large.bin', size: SIZE, statusCode: 200, route: serveFolder, open: openFiles },
  { name: 'a part of a file of @fastify/static', url: '/large.bin', headers: { Range: `bytes=${FROM}-` }, size: SIZE - FROM, statusCode: 206, route: serveFolder, open: openFiles },
  { name: 'another server, by @fastify/http-proxy', url: '/', size: SIZE, statusCode: 200, route: proxyTo, open: () => upstreams },
  {
    name: 'a stream that is sent',
    url: '/',
    size: SIZE,
    statusCode: 200,
    route: (app) => app.get('/', (_request, reply) => { reply.header('Content-Length', SIZE).send(Readable.from(rows())) }),
    open: () => cursors
  }
]

async function start (t: Test, protocol: Protocol, { route }: Source): Promise<GuardedApp> {
  return await guardedApp({ t, protocol, guard: { responseIdleTimeout: LIMIT, resolution: 50 }, routes: async (app) => { await route(app, t) } })
}

for (const protocol of ['http', 'https'] as const) {
  for (const source of sources) {
    const { name, url, headers = {}, size, statusCode, open } = source
    const ask = async ({ port }: GuardedApp): Promise<RawClient> => {
      const client = new RawClient(port, { tls: protocol === 'https' })
      await client.write(head('GET', url, headers))
      await client.until(new RegExp(`^HTTP/1.1 ${statusCode} [^]*\r\n\r\n`))
      return client
    }
    const released = async ({ app }: GuardedApp): Promise<void> => {
      if (canCount || open !== openFiles) await until(() => open() === 0, 'its source is released')
      await deserted(app)
    }

    t.test(`${protocol}: ${name}: a client that leaves before it has all has one record, and the source is released`, async (t) => {
      for (const leave of ['fin', 'rst'] as const) {
        const guarded = await start(t, protocol, source)
        const client = await ask(guarded)
        client.socket.pause()
        await until(() => !canCount || open() > 0, 'its source is open')
        await delay(100)
        if (leave === 'rst') client.rst()
        else client.socket.destroy()
        t.match(await guarded.recorded(), [{ code: 'FST_READ_RESPONSE_ABORTED', phase: 'response', statusCode: 499, blame: 'client_gone', url }], leave)
        const [record] = guarded.records
        t.ok(record?.sent !== undefined && record.sent > 0 && record.sent < size, `${record?.sent} bytes were taken`)
        await released(guarded)
        t.equal(guarded.records.length, 1)
        t.strictSame(noise(guarded.log), [])
      }
    })

    t.test(`${protocol}: ${name}: a client that takes nothing is reset, has one record, and the source is released`, async (t) => {
      const guarded = await start(t, protocol, source)
      const client = await ask(guarded)
      client.socket.pause()
      t.match(await guarded.recorded(), [{ code: 'FST_READ_RESPONSE_IDLE_TIMEOUT', phase: 'response', statusCode: 499, blame: 'client_slow', limit: LIMIT, url }])
      await released(guarded)
      t.equal(guarded.records.length, 1)
      t.strictSame(noise(guarded.log), [])
      client.socket.resume()
      await client.closed
    })

    t.test(`${protocol}: ${name}: a client that takes all has no record, however it leaves then`, async (t) => {
      const guarded = await start(t, protocol, source)
      for (const leave of ['fin', 'rst', 'next'] as const) {
        const client = await ask(guarded)
        await until(() => client.text.length >= size + client.text.indexOf('\r\n\r\n') + 4, 'it has all', 30_000)
        if (leave === 'next') {
          await client.write(head('GET', url, headers))
          await until(() => client.text.length >= size * 2, 'it has all again', 30_000)
        }
        if (leave === 'rst') {
          // The end of the source is told a moment after its last byte.
          await until(() => open() === 0, 'its source is at its end')
          client.rst()
        } else {
          client.socket.destroy()
        }
        await client.closed
      }
      await released(guarded)
      t.strictSame(guarded.records, [])
      t.strictSame(noise(guarded.log), [])
    })
  }
}
