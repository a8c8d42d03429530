import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import staticFiles from '@fastify/static'
import t, { type Test } from 'tap'
import type { ReadGuardOptions } from '../../lib/index.js'
import { guardedApp, type GuardedApp } from '../support/app/guarded-app.js'
import { head, onlyAnswer, RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'

const SIZE = 3_000_000

async function serving (t: Test, guard: ReadGuardOptions): Promise<GuardedApp> {
  const folder = mkdtempSync(join(tmpdir(), 'static-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'large.txt'), 'x'.repeat(SIZE))
  writeFileSync(join(folder, 'index.html'), 'hello')
  return guardedApp({ t, guard, routes: (app) => { app.register(staticFiles, { root: folder }) } })
}

t.test('files, parts of them and their heads are served as without the guard', async (t) => {
  const { port, records } = await serving(t, { bodyIdleTimeout: 300, headersTimeout: 300 })
  const client = new RawClient(port)
  await client.write(head('GET', '/'))
  await client.until(/hello/)
  await client.write(head('HEAD', '/large.txt'))
  await client.until(/content-length: 3000000/i)
  await client.write(head('GET', '/large.txt', { Range: 'bytes=0-9' }))
  await client.until(/ 206 [^]*x{10}$/)
  await client.write(head('GET', '/missing'))
  await client.until(/ 404 /)
  client.fin()
  await client.closed
  t.strictSame(records, [])
})

t.test('a client that takes a large file slowly, but takes it, gets all of it', async (t) => {
  const { port, records } = await serving(t, { bodyIdleTimeout: 200, headersTimeout: 200, bodyTimeout: 400 })
  const client = new RawClient(port)
  await client.write(head('GET', '/large.txt', { Connection: 'close' }))
  for (let times = 0; times < 10; times++) {
    client.socket.pause()
    await new Promise((resolve) => setTimeout(resolve, 100))
    client.socket.resume()
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  t.equal(onlyAnswer(await client.closed).body.length, SIZE)
  t.strictSame(records, [])
})

t.test('a body that no file wants is refused for its size where there is a limit, and nothing of it is held', async (t) => {
  const { port, recorded, app } = await serving(t, { bodyLimit: 10, linger: { timeout: 200 } })
  const client = new RawClient(port)
  await client.write(head('POST', '/large.txt', { 'Content-Type': 'application/octet-stream', 'Content-Length': 20 }) + 'x'.repeat(20))
  t.equal(onlyAnswer(await client.closed).statusCode, 413)
  const [record] = await recorded()
  t.match(record, { code: 'FST_READ_BODY_TOO_LARGE', answered: true })
  await until(() => Object.values(app.readGuard.stats().reading).every(count => count === 0), 'nothing is held')
})

t.test('a GET with a body that its client does not end is answered with the file', async (t) => {
  const { port, records } = await serving(t, { bodyIdleTimeout: 300, linger: { timeout: 300 } })
  const client = new RawClient(port)
  await client.write(head('GET', '/', { 'Content-Length': 9 }) + 'abc')
  t.equal(onlyAnswer(await client.closed).body, 'hello')
  t.strictSame(records, [])
})
