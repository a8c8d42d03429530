import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http2 from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import readGuard, { type AbortRecord } from '../../lib/index.js'
import { type Http2Kind, http2Kinds } from '../support/app/http2-consumers.js'
import { serverKind } from '../support/app/transport.js'

const BODY = Buffer.alloc(100_000, 'x')
const REQUESTS = 200
const AT_ONCE = 40

const directory = mkdtempSync(join(tmpdir(), 'read-guard-'))
const file = join(directory, 'body')
writeFileSync(file, BODY)
t.teardown(() => { rmSync(directory, { recursive: true }) })

interface Served {
  readonly url: string
  readonly records: AbortRecord[]
}

/** The same application with the guard and without. */
async function serve (t: Test, kind: Http2Kind, guarded: boolean): Promise<Served> {
  const records: AbortRecord[] = []
  const app = fastify({ ...serverKind(kind.protocol), bodyLimit: BODY.length } as FastifyServerOptions) as FastifyInstance
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => { done(null, body) })
  if (guarded) await app.register(readGuard, { bodyLimit: BODY.length, headersTimeout: 2_000, bodyTimeout: 20_000, onAbort: (record) => { records.push(record) } })
  app.get('/', async () => 'ok')
  app.post('/', async (request) => ({ bytes: (request.body as Buffer).length }))
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as { port: number }
  return { url: `${kind.tls ? 'https' : 'http'}://127.0.0.1:${port}/`, records }
}

function hasH2load (): boolean {
  try {
    execFileSync('h2load', ['--version'])
    return true
  } catch {
    return false
  }
}

/** What h2load says of the outcome, without what depends on speed. */
async function h2load (url: string, args: readonly string[]): Promise<string[]> {
  const { stdout } = await promisify(execFile)('h2load', ['-n', String(REQUESTS), '-c', '4', '-m', '8', ...args, url])
  return stdout.split('\n').filter(line => /^(?:requests|status codes):/.test(line))
}

/** Statuses and answers as Node's own client sees them, of requests as many as fit in a session's memory at the same time. */
async function nodeClient (url: string): Promise<Record<string, number>> {
  const session = http2.connect(url, { rejectUnauthorized: false })
  const outcomes: Record<string, number> = {}
  const request = (index: number): Promise<void> => new Promise((resolve, reject) => {
    const upload = index % 2 === 0
    const stream = session.request({ ':path': '/', ':method': upload ? 'POST' : 'GET', 'content-type': 'application/octet-stream' })
    let status = 0
    let body = ''
    stream.setEncoding('utf8')
    stream.on('response', (headers) => { status = headers[':status'] ?? 0 })
    stream.on('data', (text: string) => { body += text })
    stream.on('error', reject)
    stream.on('close', () => {
      const outcome = `${status} ${body} ${stream.rstCode}`
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
      resolve()
    })
    stream.end(upload ? BODY : undefined)
  })
  try {
    for (let index = 0; index < REQUESTS; index += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => request(index + i)))
    }
  } finally {
    session.close()
  }
  return outcomes
}

for (const kind of http2Kinds) {
  for (const [name, args] of [['GET', []], ['POST', ['-d', file]]] as const) {
    t.test(`${kind.name}: h2load sees no difference in ${name}`, { skip: hasH2load() ? false : 'h2load is not installed' }, async (t) => {
      const [plain, guarded] = await Promise.all([serve(t, kind, false), serve(t, kind, true)])
      const expected = await h2load(plain.url, args)
      t.match(expected[0], new RegExp(`${REQUESTS} succeeded, 0 failed`))
      t.same(await h2load(guarded.url, args), expected)
      t.same(guarded.records, [])
    })
  }

  t.test(`${kind.name}: Node's own client sees no difference`, async (t) => {
    const [plain, guarded] = await Promise.all([serve(t, kind, false), serve(t, kind, true)])
    const expected = { '200 ok 0': REQUESTS / 2, [`200 {"bytes":${BODY.length}} 0`]: REQUESTS / 2 }
    t.same(await nodeClient(plain.url), expected)
    t.same(await nodeClient(guarded.url), expected)
    t.same(guarded.records, [])
  })
}
