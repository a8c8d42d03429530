import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { ReadError, ReadGuardOptions } from '../../../lib/index.js'
import { HEADERS_TIMEOUT, headApp, type HeadApp } from '../../support/app/header-limits.js'
import { localhosts, twoLocalhosts } from '../../support/app/two-localhosts.js'
import { delay, head, parseAnswers, RawClient } from '../../support/client/raw-client.js'
import { mustBeRefused, onlyRecord } from '../../support/oracle/expect-refusal.js'
import { until } from '../../support/oracle/until.js'

t.jobs = 8

const OWN = 'HTTP/1.1 418 I\'m a Teapot\r\nConnection: close\r\nContent-Length: 3\r\n\r\nown'
const TWO_HOSTS = 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'

interface OwnAnswers {
  readonly guarded: HeadApp
  /** What the application's own handler was called with. */
  readonly errors: ReadError[]
}

function endWithOwn (_error: Error, socket: Socket): void {
  if (socket.writable) socket.end(OWN)
}

async function ownApp (t: Test, answer: (error: Error, socket: Socket) => void = endWithOwn, guard: ReadGuardOptions = {}, listen = {}): Promise<OwnAnswers> {
  const errors: ReadError[] = []
  const guarded = await headApp(t, guard, {
    listen,
    fastify: {
      clientErrorHandler (error, socket) {
        errors.push(error as unknown as ReadError) // as the contract has it
        answer(error, socket)
      }
    },
    routes: (app) => {
      app.get('/slow', async () => { await delay(HEADERS_TIMEOUT + 300); return { slow: true } })
      app.post('/body', async () => ({}))
    }
  })
  return { guarded, errors }
}

interface Row {
  readonly name: string
  readonly bytes: string
  readonly code: string
  readonly statusCode: number
  readonly blame: string
  /** The code of what Node said, where it said something. */
  readonly cause?: string
  readonly guard?: ReadGuardOptions
}

const refused: readonly Row[] = [
  { name: 'what is malformed', bytes: 'NOT HTTP\r\n\r\n', code: 'FST_READ_MALFORMED', statusCode: 400, blame: 'client_invalid', cause: 'HPE_INVALID_METHOD' },
  { name: 'what is too large', bytes: `GET / HTTP/1.1\r\nX: ${'x'.repeat(30_000)}\r\n\r\n`, code: 'FST_READ_HEADERS_TOO_LARGE', statusCode: 431, blame: 'client_invalid', cause: 'HPE_HEADER_OVERFLOW' },
  { name: 'a head that stalls', bytes: 'GET / HT', code: 'FST_READ_HEADERS_TIMEOUT', statusCode: 408, blame: 'client_slow' },
  { name: 'a head that is too slow', bytes: 'GET / HT', code: 'FST_READ_HEADERS_TOO_SLOW', statusCode: 408, blame: 'client_slow', guard: { headersTimeout: 0, minHeadersRate: { bytesPerSecond: 1_000_000, gracePeriod: 200 } } },
  { name: 'a second Host', bytes: TWO_HOSTS, code: 'FST_READ_MALFORMED', statusCode: 400, blame: 'client_invalid' },
  { name: 'a transfer coding that nobody knows', bytes: head('POST', '/', { 'Transfer-Encoding': 'gzip, chunked' }), code: 'FST_READ_MALFORMED', statusCode: 501, blame: 'client_invalid' }
]

for (const { name, bytes, code, statusCode, blame, cause, guard } of refused) {
  t.test(`a clientErrorHandler of the application's own answers ${name}, and the record is ours`, async (t) => {
    const { guarded, errors } = await ownApp(t, endWithOwn, guard)
    const client = new RawClient(guarded.port)
    await client.write(bytes)
    const seen = await client.closed
    t.equal(seen.text, OWN, 'exactly one answer')
    t.equal(seen.end, 'FIN')
    t.equal(errors.length, 1, 'it is asked once')
    t.match(errors, [{ code, statusCode, phase: 'headers', received: Number }])
    t.equal((errors[0]?.cause as { code?: string } | undefined)?.code, cause)
    const record = await onlyRecord(t, guarded, 'warn')
    t.match(record, { code, statusCode, answered: true, blame, phase: 'headers', observed: false })
    t.equal(record.received, errors[0]?.received)
    t.strictSame(guarded.served, [])
  })

  t.test(`it answers ${name} in turn, behind the answers to requests before`, async (t) => {
    const { guarded, errors } = await ownApp(t, endWithOwn, guard)
    const client = new RawClient(guarded.port)
    await client.write(head('GET', '/slow') + head('GET', '/'))
    await until(() => guarded.served.length === 1, 'they are dispatched')
    await client.write(bytes)
    const { text } = await client.closed
    t.strictSame(parseAnswers(text).map(answer => answer.statusCode), [200, 200, 418])
    t.equal(errors.length, 1)
    t.match(await onlyRecord(t, guarded, 'warn'), { code, answered: true })
  })
}

t.test('one that takes its time has it, and what comes meanwhile is no request', async (t) => {
  for (const bytes of ['NOT HTTP\r\n\r\n', 'GET / HT', TWO_HOSTS]) {
    const { guarded, errors } = await ownApp(t, (_error, socket) => { delay(200).then(() => socket.end(OWN), () => {}) })
    const client = new RawClient(guarded.port)
    await client.write(bytes)
    await until(() => errors.length === 1, 'it is asked')
    await client.write(`TP/1.1\r\nHost: a\r\n\r\n${head('GET', '/')}`)
    t.equal((await client.closed).text, OWN)
    await onlyRecord(t, guarded, 'warn')
    t.match(guarded.records, [{ answered: true }])
    t.strictSame(guarded.served, [])
  }
})

t.test('one that destroys the socket has given no answer', async (t) => {
  for (const bytes of ['NOT HTTP\r\n\r\n', 'GET / HT', TWO_HOSTS]) {
    const { guarded, errors } = await ownApp(t, (_error, socket) => socket.destroy())
    const client = new RawClient(guarded.port)
    await client.write(bytes)
    t.equal((await client.closed).text, '')
    t.equal(errors.length, 1)
    t.match(await onlyRecord(t, guarded, 'warn'), { answered: false })
  }
})

t.test('one that does nothing leaves no connection open', async (t) => {
  for (const bytes of ['NOT HTTP\r\n\r\n', 'GET / HT', TWO_HOSTS]) {
    const { guarded } = await ownApp(t, () => {}, { linger: { timeout: 300 } })
    const client = new RawClient(guarded.port)
    await client.write(bytes)
    t.equal((await client.closed).text, '')
    t.match(await onlyRecord(t, guarded, 'warn'), { answered: false })
  }
})

t.test('a client that leaves while it is waited for is recorded once', async (t) => {
  const { guarded, errors } = await ownApp(t, () => {})
  const client = new RawClient(guarded.port)
  await client.write('NOT HTTP\r\n\r\n')
  await until(() => errors.length === 1, 'it is asked')
  client.rst()
  t.match(await onlyRecord(t, guarded, 'warn'), { code: 'FST_READ_MALFORMED', answered: false })
})

t.test('it is not asked about a connection on which nothing was received', async (t) => {
  const { guarded, errors } = await ownApp(t)
  guarded.app.server.keepAliveTimeout = 1
  const client = new RawClient(guarded.port)
  t.equal((await client.closed).text, '')
  t.strictSame(errors, [])
  t.match(await onlyRecord(t, guarded, 'debug'), { code: 'FST_READ_HEADERS_TIMEOUT', answered: false, received: 0 })
})

t.test('it sees a client that leaves in its head, and the record is ours', async (t) => {
  const { guarded, errors } = await ownApp(t, (_error, socket) => socket.destroy())
  const client = new RawClient(guarded.port)
  await client.write('GET / HT')
  client.fin()
  await client.closed
  t.match(errors, [{ code: 'FST_READ_ABORTED', cause: { code: 'HPE_INVALID_EOF_STATE' } }])
  t.equal(errors.length, 1)
  t.match(await onlyRecord(t, guarded, 'info'), { code: 'FST_READ_ABORTED', answered: false })
})

t.test('it answers a body that the parser refuses', async (t) => {
  const { guarded, errors } = await ownApp(t)
  const client = new RawClient(guarded.port)
  await client.write(`${head('POST', '/body', { 'Content-Type': 'text/plain', 'Transfer-Encoding': 'chunked' })}xyz\r\n`)
  t.equal((await client.closed).text, OWN)
  t.match(errors, [{ code: 'FST_READ_MALFORMED', phase: 'body', cause: { code: 'HPE_INVALID_CHUNK_SIZE' } }])
  t.match(await onlyRecord(t, guarded, 'warn'), { code: 'FST_READ_MALFORMED', phase: 'body', answered: true })
})

t.test("in mode 'observe' it answers what the parser refuses, and nothing else", async (t) => {
  const { guarded, errors } = await ownApp(t, endWithOwn, { mode: 'observe' })
  const observed = new RawClient(guarded.port)
  await observed.write(TWO_HOSTS.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
  t.strictSame(parseAnswers((await observed.closed).text).map(answer => answer.statusCode), [200])
  const malformed = new RawClient(guarded.port)
  await malformed.write('NOT HTTP\r\n\r\n')
  t.equal((await malformed.closed).text, OWN)
  t.same(errors.map(error => error.code), ['FST_READ_MALFORMED'])
  t.match(await guarded.recorded(2), [{ observed: true }, { observed: false, answered: true }])
})

t.test('it answers on every address of the application', { skip: process.platform !== 'linux' && 'no second loopback address' }, async (t) => {
  twoLocalhosts()
  const { guarded, errors } = await ownApp(t, endWithOwn, {}, { host: 'localhost' })
  for (const host of localhosts) {
    for (const bytes of ['NOT HTTP\r\n\r\n', 'GET / HT']) {
      const client = new RawClient(guarded.port, { host })
      await client.write(bytes)
      t.equal((await client.closed).text, OWN, `${host}: ${bytes}`)
    }
  }
  t.equal(errors.length, 4)
})

t.test('a listener of \'clientError\' beside Fastify\'s own may answer, and leaves it to the guard otherwise', async (t) => {
  for (const [answer, expected] of [[endWithOwn, [418]], [() => {}, [400]]] as const) {
    const errors: Error[] = []
    const guarded = await headApp(t, {}, {
      before: (app) => {
        app.server.on('clientError', (error, socket) => {
          errors.push(error)
          answer(error, socket as Socket)
        })
      }
    })
    const client = new RawClient(guarded.port)
    await client.write('NOT HTTP\r\n\r\n')
    t.strictSame(parseAnswers((await client.closed).text).map(({ statusCode }) => statusCode), expected)
    t.match(errors, [{ code: 'FST_READ_MALFORMED' }])
    t.match(await onlyRecord(t, guarded, 'warn'), { answered: true })
  }
})

t.test('a listener added to \'clientError\' later does not silence the guard', async (t) => {
  const guarded = await headApp(t)
  const codes: Array<string | undefined> = []
  guarded.app.server.on('clientError', (error: Error & { code?: string }) => codes.push(error.code))
  const client = new RawClient(guarded.port)
  await client.write(head('GET', '/'))
  await client.until(/"served":1}/)
  await client.write('NOT HTTP\r\n\r\n')
  const answers = parseAnswers((await client.closed).text)
  t.strictSame(answers.map(answer => answer.statusCode), [200, 400])
  t.equal(codes[0], 'HPE_INVALID_METHOD')
  t.match(await onlyRecord(t, guarded, 'warn'), { code: 'FST_READ_MALFORMED', answered: true })
})

t.test('without one of its own the answer is ours', async (t) => {
  const guarded = await headApp(t)
  const client = new RawClient(guarded.port)
  await client.write('GET / HT')
  mustBeRefused(t, await client.closed, 408, 'Request Timeout', 'FST_READ_HEADERS_TIMEOUT', `The request headers took longer than ${HEADERS_TIMEOUT} ms`)
})
