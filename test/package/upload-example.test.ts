import { readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startExample } from '../support/app/running-program.js'
import { chunk, head, onlyAnswer, RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'

const boundary = 'b0undary'
const type = { 'Content-Type': `multipart/form-data; boundary=${boundary}`, Connection: 'close' }

function file (content: string, name = 'a.txt'): string {
  return `--${boundary}\r\nContent-Disposition: form-data; name="f"; filename="${name}"\r\nContent-Type: text/plain\r\n\r\n${content}\r\n`
}

const end = `--${boundary}--\r\n`
const begun = file('x'.repeat(100_000)).slice(0, -2)

function form (body: string, length = body.length): string {
  return head('POST', '/uploads', { ...type, 'Content-Length': length }) + body
}

interface Row {
  readonly what: string
  readonly bytes: string
  readonly then?: (client: RawClient) => Promise<void> | void
  /** What the client is told; none where it has left. */
  readonly code?: string
  /** The record; none where the failure is multipart's own. */
  readonly reason?: string
}

/** Every way in which an upload fails once its file has been opened, and some before. */
const failures: readonly Row[] = [
  { what: 'stalls in a file', bytes: form(begun, 200_000), code: 'FST_READ_BODY_IDLE_TIMEOUT', reason: 'body_idle_timeout' },
  { what: 'stalls between two files', bytes: form(file('x'), 200_000), code: 'FST_READ_BODY_IDLE_TIMEOUT', reason: 'body_idle_timeout' },
  { what: 'stalls before the first file', bytes: form('', 200_000), code: 'FST_READ_BODY_IDLE_TIMEOUT', reason: 'body_idle_timeout' },
  {
    what: 'trickles',
    bytes: head('POST', '/uploads', { ...type, 'Transfer-Encoding': 'chunked' }) + chunk(begun),
    then: (client) => client.trickle(Array.from({ length: 100 }, () => chunk('x')), 50),
    code: 'FST_READ_BODY_TOO_SLOW',
    reason: 'body_too_slow'
  },
  { what: 'is declared too large', bytes: form(begun, 2_000_001), code: 'FST_READ_BODY_TOO_LARGE', reason: 'body_too_large' },
  {
    what: 'becomes too large',
    bytes: head('POST', '/uploads', { ...type, 'Transfer-Encoding': 'chunked' }),
    then: (client) => client.trickle(Array.from({ length: 5 }, () => chunk(file('x'.repeat(500_000)))), 5),
    code: 'FST_READ_BODY_TOO_LARGE',
    reason: 'body_too_large'
  },
  { what: 'has a file that is too large', bytes: form(file('x'.repeat(1_000_001)) + end), code: 'FST_REQ_FILE_TOO_LARGE' },
  { what: 'is reset in a file', bytes: form(begun, 200_000), then: reset, reason: 'client_aborted' },
  { what: 'is ended in a file', bytes: form(begun, 200_000), then: (client) => client.fin(), reason: 'client_aborted' },
  { what: 'is malformed in a file', bytes: head('POST', '/uploads', { ...type, 'Transfer-Encoding': 'chunked' }) + chunk(begun) + 'zz\r\n', code: 'FST_READ_MALFORMED', reason: 'malformed' }
]

/** Resets once the server has opened the file. */
async function reset (client: RawClient): Promise<void> {
  await client.trickle(['x'], 100)
  client.rst()
}

/** What a process has open below a folder; none where the system does not tell. */
function openBelow (pid: number, folder: string): string[] {
  if (process.platform !== 'linux') return []
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/${pid}/fd/${fd}`)
      return target.startsWith(folder) ? [target] : []
    } catch {
      return [] // closed meanwhile
    }
  })
}

t.test('upload: files are there, whole, under no name of the client', async (t) => {
  const uploads = t.testdir()
  const example = await startExample('upload', { UPLOADS: uploads })
  t.teardown(() => example.stop())
  const client = new RawClient(example.port)
  const large = 'y'.repeat(300_000)
  await client.write(form(file('first', '../../a') + file(large) + end))
  const answer = onlyAnswer(await client.closed)
  t.equal(answer.statusCode, 201)
  t.equal(answer.json['files'], 2)
  const folder = String(answer.json['id'])
  t.same(readdirSync(uploads), [folder])
  t.same(readdirSync(join(uploads, folder)), ['0', '1'])
  t.equal(readFileSync(join(uploads, folder, '0'), 'utf8'), 'first')
  t.equal(readFileSync(join(uploads, folder, '1'), 'utf8'), large)
})

t.test('upload: a form without a file is refused, and nothing is left', async (t) => {
  const uploads = t.testdir()
  const example = await startExample('upload', { UPLOADS: uploads })
  t.teardown(() => example.stop())
  const field = `--${boundary}\r\nContent-Disposition: form-data; name="note"\r\n\r\nno file\r\n`
  for (const body of [field + end, end]) {
    const client = new RawClient(example.port)
    await client.write(form(body))
    t.match(onlyAnswer(await client.closed), { statusCode: 400, json: { message: 'no file' } })
    t.same(readdirSync(uploads), [])
  }
})

t.test('upload: however it fails, no file and no descriptor is left', async (t) => {
  const uploads = t.testdir()
  const example = await startExample('upload', { UPLOADS: uploads })
  t.teardown(() => example.stop())
  await Promise.all(failures.map(async ({ what, bytes, then, code }) => {
    const client = new RawClient(example.port)
    await client.connected()
    await client.write(bytes)
    await then?.(client)
    const seen = await client.closed
    if (code === undefined) t.equal(seen.text, '', `nothing can be answered to who ${what}`)
    else t.equal(onlyAnswer(seen).json['code'], code, what)
  }))
  const reasons = failures.flatMap(({ reason }) => reason ?? []).sort()
  t.same((await example.recorded(reasons.length)).map(({ reason }) => reason).sort(), reasons, 'one record each')
  await until(() => readdirSync(uploads).length === 0, `only ${readdirSync(uploads).join()} is left`)
  await until(() => openBelow(example.pid, uploads).length === 0, `still open: ${openBelow(example.pid, uploads).join()}`)
  t.pass('nothing is left')
})

t.test('upload: when the disk fails, the client is told, and nothing is left', async (t) => {
  const uploads = t.testdir()
  const example = await startExample('upload', { UPLOADS: uploads })
  t.teardown(() => example.stop())
  const client = new RawClient(example.port)
  await client.write(form(file('x'), 200_000))
  await until(() => readdirSync(uploads).length === 1, 'the upload has begun')
  rmSync(join(uploads, readdirSync(uploads).join()), { recursive: true })
  await client.write(begun)
  await client.until(/ENOENT/)
  t.equal(onlyAnswer(client).statusCode, 500)
  await client.closed
  t.same(openBelow(example.pid, uploads), [])
  t.same(example.records(), [], 'the client did nothing wrong')
})
