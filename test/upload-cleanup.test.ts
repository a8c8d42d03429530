import { createWriteStream, existsSync, readdirSync, readlinkSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import multipart from '@fastify/multipart'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { guardedApp, until, type GuardedApp } from './support/guarded-app.js'
import { chunk, head, onlyAnswer, RawClient } from './support/raw-client.js'

const FDS = '/proc/self/fd'

/** The files below a folder that this process has open; none where the system does not tell. */
function openBelow (folder: string): string[] {
  if (!existsSync(FDS)) return []
  return readdirSync(FDS).flatMap((fd) => {
    try {
      const target = readlinkSync(join(FDS, fd))
      return target.startsWith(folder) ? [target] : []
    } catch {
      return [] // closed meanwhile
    }
  })
}

const part = (content: string): string => `--b0undary\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n${content}`
const type = { 'Content-Type': 'multipart/form-data; boundary=b0undary' }
const first = `${part('x'.repeat(50_000))}\r\n`
const second = part('x'.repeat(50_000))
const begun = first + second

interface Failure {
  readonly what: string
  readonly headers: Readonly<Record<string, string | number>>
  /** What is sent until a file is open. */
  readonly body: string
  readonly then?: (client: RawClient) => void | Promise<void>
  /** What the client is told; none where it has left. */
  readonly code?: string
  /** The record; none where the failure is multipart's own. */
  readonly record?: string
}

const declared = { ...type, 'Content-Length': 200_000 }
const chunked = { ...type, 'Transfer-Encoding': 'chunked' }

const failures: readonly Failure[] = [
  { what: 'stalls', headers: declared, body: begun, code: 'FST_READ_BODY_IDLE_TIMEOUT', record: 'FST_READ_BODY_IDLE_TIMEOUT' },
  { what: 'trickles', headers: declared, body: begun, then: (client) => client.trickle(Array.from({ length: 200 }, () => 'x'), 20), code: 'FST_READ_BODY_TOO_SLOW', record: 'FST_READ_BODY_TOO_SLOW' },
  { what: 'becomes too large', headers: chunked, body: chunk(begun), then: (client) => client.write(chunk('x'.repeat(500_000))), code: 'FST_READ_BODY_TOO_LARGE', record: 'FST_READ_BODY_TOO_LARGE' },
  { what: 'has a file that is too large', headers: chunked, body: chunk(begun), then: (client) => client.write(chunk(`${'x'.repeat(300_000)}\r\n--b0undary--\r\n`) + '0\r\n\r\n'), code: 'FST_REQ_FILE_TOO_LARGE' },
  { what: 'is malformed', headers: chunked, body: chunk(begun), then: (client) => client.write('zz\r\n'), code: 'FST_READ_MALFORMED', record: 'FST_READ_MALFORMED' },
  { what: 'is ended', headers: declared, body: begun, then: (client) => client.fin(), record: 'FST_READ_ABORTED' },
  { what: 'is reset', headers: declared, body: begun, then: (client) => client.rst(), record: 'FST_READ_ABORTED' }
]

interface Uploads extends GuardedApp {
  readonly folder: string
  /** Files that were complete when the handler had them. */
  readonly complete: number
}

async function uploads (t: Test): Promise<Uploads> {
  const folder = t.testdir()
  let complete = 0
  const guarded = await guardedApp({
    guard: { bodyIdleTimeout: 300, minBodyRate: { bytesPerSecond: 10_000, gracePeriod: 300 }, bodyLimit: 500_000, resolution: 50 },
    routes: async (app: FastifyInstance) => {
      await app.register(multipart, { limits: { fileSize: 200_000 } })
      app.post('/save', async (request) => {
        complete = (await request.saveRequestFiles({ tmpdir: folder })).files.length
        return { complete }
      })
      app.post('/pipeline', async (request) => {
        const paths: string[] = []
        try {
          for await (const { file } of request.files()) {
            const path = join(folder, String(paths.length))
            paths.push(path)
            await pipeline(file, createWriteStream(path))
          }
        } catch (error) {
          await Promise.all(paths.map((path) => rm(path, { force: true })))
          throw error
        }
        complete = paths.length
        return { complete }
      })
    }
  })
  t.teardown(() => guarded.app.close())
  return Object.defineProperty({ ...guarded, folder, complete }, 'complete', { get: () => complete })
}

for (const url of ['/save', '/pipeline']) {
  for (const failure of failures) {
    t.test(`${url}: an upload that ${failure.what} leaves no file and no descriptor behind`, async (t) => {
      const guarded = await uploads(t)
      const { folder } = guarded
      const client = new RawClient(guarded.port)
      await client.write(head('POST', url, failure.headers) + failure.body)
      await until(() => readdirSync(folder).length === 2, 'the second file is there')
      if (existsSync(FDS)) await until(() => openBelow(folder).length === 1, 'the second file is open')
      await failure.then?.(client)
      if (failure.code !== undefined) {
        await client.until(/}$/)
        t.equal(onlyAnswer(client).json['code'], failure.code)
        client.fin()
      }
      await client.closed
      await until(() => readdirSync(folder).length === 0, `${readdirSync(folder).join()} is removed`)
      await until(() => openBelow(folder).length === 0, `${openBelow(folder).join()} is closed`)
      t.same((await guarded.recorded(failure.record === undefined ? 0 : 1)).map(({ code }) => code), failure.record === undefined ? [] : [failure.record])
      t.equal(guarded.complete, 0)
    })
  }

  t.test(`${url}: files that came whole are there for the handler`, async (t) => {
    const guarded = await uploads(t)
    const client = new RawClient(guarded.port)
    const body = `${begun}\r\n--b0undary--\r\n`
    await client.write(head('POST', url, { ...type, 'Content-Length': body.length, Connection: 'close' }) + body)
    await client.closed
    t.same(onlyAnswer(client).json, { complete: 2 })
    t.same(guarded.records, [])
    t.same(openBelow(guarded.folder), [])
  })
}
