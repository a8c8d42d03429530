import t, { type Test } from 'tap'
import type { Socket } from 'node:net'
import { headApp, type HeadApp, HEADERS_TIMEOUT } from '../../support/app/header-limits.js'
import { head, parseAnswers, RawClient } from '../../support/client/raw-client.js'
import { mustBeRefused, onlyRecord } from '../../support/oracle/expect-refusal.js'

t.jobs = 8

const OWN = 'HTTP/1.1 418 I\'m a Teapot\r\nConnection: close\r\nContent-Length: 3\r\n\r\nown'

interface OwnAnswers {
  readonly guarded: HeadApp
  /** The codes of what the application's own handler was called with. */
  readonly codes: Array<string | undefined>
}

function endWithOwn (_error: Error, socket: Socket): void {
  if (socket.writable) socket.end(OWN)
}

async function ownApp (t: Test, answer: (error: Error, socket: Socket) => void = endWithOwn): Promise<OwnAnswers> {
  const codes: Array<string | undefined> = []
  const guarded = await headApp(t, {}, {
    fastify: {
      clientErrorHandler (error, socket) {
        codes.push(error.code)
        answer(error, socket)
      }
    }
  })
  return { guarded, codes }
}

const refused = [
  ['what is malformed', 'NOT HTTP\r\n\r\n', 'HPE_INVALID_METHOD', 'FST_READ_MALFORMED', 400],
  ['what is too large', `GET / HTTP/1.1\r\nX: ${'x'.repeat(30_000)}\r\n\r\n`, 'HPE_HEADER_OVERFLOW', 'FST_READ_HEADERS_TOO_LARGE', 431]
] as const

for (const [name, bytes, parserCode, code, statusCode] of refused) {
  t.test(`a clientErrorHandler of the application's own answers ${name}, and the record is ours`, async (t) => {
    const { guarded, codes } = await ownApp(t)
    const client = new RawClient(guarded.port)
    await client.write(bytes)
    const seen = await client.closed
    t.equal(seen.text, OWN)
    t.equal(codes[0], parserCode)
    t.equal(codes.length, 1)
    t.match(await onlyRecord(t, guarded, 'warn'), { code, statusCode, answered: true, blame: 'client_invalid', phase: 'headers' })
  })
}

t.test('one that destroys the socket has given no answer', async (t) => {
  const { guarded, codes } = await ownApp(t, (_error, socket) => socket.destroy())
  const client = new RawClient(guarded.port)
  await client.write('NOT HTTP\r\n\r\n')
  t.equal((await client.closed).text, '')
  t.strictSame(codes, ['HPE_INVALID_METHOD'])
  t.match(await onlyRecord(t, guarded, 'warn'), { code: 'FST_READ_MALFORMED', answered: false })
})

t.test('one that does nothing leaves no connection open', async (t) => {
  const { guarded } = await ownApp(t, () => {})
  const client = new RawClient(guarded.port)
  await client.write('NOT HTTP\r\n\r\n')
  t.equal((await client.closed).text, '')
  t.match(await onlyRecord(t, guarded, 'warn'), { code: 'FST_READ_MALFORMED', answered: false })
})

t.test('it is not asked about our own verdicts', async (t) => {
  const { guarded, codes } = await ownApp(t)
  const client = new RawClient(guarded.port)
  await client.write('GET / HT')
  mustBeRefused(t, await client.closed, 408, 'Request Timeout', 'FST_READ_HEADERS_TIMEOUT', `The request headers took longer than ${HEADERS_TIMEOUT} ms`)
  t.strictSame(codes, [])
  t.match(await onlyRecord(t, guarded, 'warn'), { code: 'FST_READ_HEADERS_TIMEOUT', answered: true })
})

t.test('it sees a client that leaves in its head, and the record is ours', async (t) => {
  const { guarded, codes } = await ownApp(t, (_error, socket) => socket.destroy())
  const client = new RawClient(guarded.port)
  await client.write('GET / HT')
  client.fin()
  await client.closed
  t.strictSame(codes, ['HPE_INVALID_EOF_STATE'])
  t.match(await onlyRecord(t, guarded, 'info'), { code: 'FST_READ_ABORTED', answered: false })
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
