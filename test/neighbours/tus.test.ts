import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { FileStore } from '@tus/file-store'
import { EVENTS, Server } from '@tus/server'
import fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { guardedApp, type GuardedApp } from '../support/app/guarded-app.js'
import { head, onlyAnswer, RawClient, type Answer } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'
import { bytesFor } from './support.js'

t.jobs = 4

const LIMIT = 400
const CONTENT = 'hello world'
const FIRST = 'hello'

interface Told {
  /** Where the one upload of the application is kept. */
  readonly file: string
  /** Uploads that tus has taken whole. */
  readonly finished: string[]
}

function uploads (directory: string): (app: FastifyInstance) => Told {
  return (app) => {
    const finished: string[] = []
    const tus = new Server({ path: '/files', datastore: new FileStore({ directory }), namingFunction: () => 'the-one', relativeLocation: true })
    tus.on(EVENTS.POST_FINISH, (_request, _response, { id }) => { finished.push(id) })
    app.addContentTypeParser('application/offset+octet-stream', (_request, _payload, done) => done(null))
    app.all('/files', ({ raw }, reply) => { tus.handle(raw, reply.raw) })
    app.all('/files/*', { config: { readGuard: { bodyIdleTimeout: LIMIT, linger: { timeout: 200 } } } }, ({ raw }, reply) => { tus.handle(raw, reply.raw) })
    return { file: join(directory, 'the-one'), finished }
  }
}

const guarded = (t: Test): Promise<GuardedApp & Told> => guardedApp<Told>({ t, routes: uploads(join(t.testdir({}), 'guarded')) })

async function stock (t: Test, directory: string): Promise<number> {
  const app = fastify()
  t.teardown(() => app.close())
  uploads(directory)(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  return (app.server.address() as { port: number }).port
}

const version = { 'Tus-Resumable': '1.0.0' }
const once = { ...version, Connection: 'close' }
const creation = head('POST', '/files', { ...once, 'Upload-Length': CONTENT.length })
const patch = (offset: number, headers = {}): string => head('PATCH', '/files/the-one', { ...version, ...headers, 'Upload-Offset': offset, 'Content-Type': 'application/offset+octet-stream', 'Content-Length': CONTENT.length - offset })

async function call (port: number, request: string): Promise<Answer> {
  return onlyAnswer({ text: await bytesFor(port, request) })
}

/** The rest of the upload is sent from where tus says that it has come to. */
async function resume (t: Test, { port, file, finished }: GuardedApp & Told): Promise<void> {
  const { headers: { 'upload-offset': offset } } = await call(port, head('HEAD', '/files/the-one', once))
  t.equal(Number(offset), FIRST.length)
  t.match(await call(port, patch(Number(offset), { Connection: 'close' }) + CONTENT.slice(Number(offset))), { statusCode: 204, headers: { 'upload-offset': String(CONTENT.length) } })
  t.equal(readFileSync(file, 'utf8'), CONTENT)
  t.strictSame(finished, ['the-one'])
}

t.test('an upload that comes whole is answered with the same bytes as without the guard', async (t) => {
  const { port, records, file, finished } = await guarded(t)
  const other = await stock(t, join(dirname(dirname(file)), 'stock'))
  for (const request of [creation, patch(0, { Connection: 'close' }) + CONTENT, head('HEAD', '/files/the-one', once)]) {
    t.equal(await bytesFor(port, request), await bytesFor(other, request))
  }
  t.equal(readFileSync(file, 'utf8'), CONTENT)
  t.strictSame([records, finished], [[], ['the-one']])
})

t.test('a chunk that stalls is answered by tus with the offset that it came to, has one record, and is resumed', async (t) => {
  const app = await guarded(t)
  await call(app.port, creation)
  const client = new RawClient(app.port)
  await client.write(patch(0) + FIRST)
  t.match(onlyAnswer(await client.closed), { statusCode: 204, headers: { 'upload-offset': String(FIRST.length), connection: 'close' } })
  await app.recorded()
  t.match(app.records, [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', statusCode: 408, route: '/files/*', limit: LIMIT, received: FIRST.length, expected: CONTENT.length }])
  await resume(t, app)
  t.equal(app.log.filter(({ abort }) => abort !== undefined).length, 1)
})

t.test('a chunk whose client leaves has one record, and is resumed', async (t) => {
  const app = await guarded(t)
  await call(app.port, creation)
  const client = new RawClient(app.port)
  await client.write(patch(0) + FIRST)
  await until(() => readFileSync(app.file, 'utf8') === FIRST, 'what has come is kept')
  client.rst()
  await app.recorded()
  t.match(app.records, [{ code: 'FST_READ_ABORTED', statusCode: 499, route: '/files/*', answered: false, received: FIRST.length }])
  await resume(t, app)
  t.equal(app.log.filter(({ abort }) => abort !== undefined).length, 1)
})
