import t from 'tap'
import { STATUS_CODES } from 'node:http'
import { noise } from '../../support/app/guarded-app.js'
import { headApp } from '../../support/app/header-limits.js'
import { head, onlyAnswer, parseAnswers, RawClient } from '../../support/client/raw-client.js'
import { mustBeRefused, onlyRecord } from '../../support/oracle/expect-refusal.js'

t.jobs = 8

/** What Node's parser refuses, with llhttp's code for it. */
const malformed: ReadonlyArray<readonly [name: string, bytes: string, code: string]> = [
  ['a method nobody knows', 'NOT / HTTP/1.1\r\nHost: a\r\n\r\n', 'HPE_INVALID_METHOD'],
  ['no method', ' / HTTP/1.1\r\n\r\n', 'HPE_INVALID_METHOD'],
  ['bytes that are not HTTP', '\x16\x03\x01\x02\x00', 'HPE_INVALID_METHOD'],
  ['no version', 'GET / HTTP/x.7\r\n\r\n', 'HPE_INVALID_VERSION'],
  ['another protocol', 'GET / FTP/1.1\r\n\r\n', 'HPE_INVALID_CONSTANT'],
  ['a space in a URL', 'GET /a b HTTP/1.1\r\n\r\n', 'HPE_INVALID_CONSTANT'],
  ['a space in a header name', 'GET / HTTP/1.1\r\nHo st: a\r\n\r\n', 'HPE_INVALID_HEADER_TOKEN'],
  ['a header name without a colon', 'GET / HTTP/1.1\r\nHost\r\n\r\n', 'HPE_INVALID_HEADER_TOKEN'],
  ['a NUL in a header value', 'GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n', 'HPE_INVALID_HEADER_TOKEN'],
  ['a Content-Length that is no number', 'POST / HTTP/1.1\r\nContent-Length: ten\r\n\r\n', 'HPE_INVALID_CONTENT_LENGTH'],
  ['a negative Content-Length', 'POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n', 'HPE_INVALID_CONTENT_LENGTH'],
  ['a Content-Length beyond 64 bits', 'POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n', 'HPE_INVALID_CONTENT_LENGTH'],
  ['two Content-Lengths', 'POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 'HPE_UNEXPECTED_CONTENT_LENGTH'],
  ['Content-Length and Transfer-Encoding', 'POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 'HPE_INVALID_TRANSFER_ENCODING'],
  ['Transfer-Encoding and Content-Length', 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n', 'HPE_INVALID_CONTENT_LENGTH'],
  ['chunked that is not the last coding', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n', 'HPE_INVALID_TRANSFER_ENCODING']
]

for (const later of [false, true]) {
  t.test(`what the parser refuses in ${later ? 'a later' : 'the first'} head is answered with 400`, async (t) => {
    t.jobs = malformed.length
    for (const [name, bytes, code] of malformed) {
      t.test(name, async (t) => {
        const guarded = await headApp(t)
        const causes: unknown[] = []
        const client = new RawClient(guarded.port)
        if (later) {
          await client.write(head('GET', '/'))
          await client.until(/"served":1}/)
        }
        guarded.app.server.prependListener('clientError', (error) => causes.push((error as { code?: string }).code))
        const { length } = client.text
        await client.write(bytes)
        const seen = await client.closed
        mustBeRefused(t, { text: seen.text.slice(length) }, 400, 'Bad Request', 'FST_READ_MALFORMED')
        t.match(seen.text, /"message":"The request is malformed: \w/)
        t.equal(seen.end, 'FIN')
        t.equal(causes[0], code)
        t.match(await onlyRecord(t, guarded, 'warn'), {
          code: 'FST_READ_MALFORMED',
          reason: 'malformed',
          phase: 'headers',
          blame: 'client_invalid',
          statusCode: 400,
          answered: true,
          received: bytes.length,
          expected: undefined,
          limit: undefined,
          method: undefined,
          route: undefined
        })
        t.equal(guarded.served.length, later ? 1 : 0)
        t.strictSame(noise(guarded.log), [])
      })
    }
  })
}

const MAX_HEADER_SIZE = 1024

const tooLarge: ReadonlyArray<readonly [name: string, bytes: string]> = [
  ['a long URL', `GET /${'x'.repeat(MAX_HEADER_SIZE * 2)} HTTP/1.1\r\n\r\n`],
  ['a long header value', `GET / HTTP/1.1\r\nX: ${'x'.repeat(MAX_HEADER_SIZE * 2)}\r\n\r\n`],
  ['many headers', `GET / HTTP/1.1\r\n${'A: b\r\n'.repeat(MAX_HEADER_SIZE)}\r\n`],
  ['more than the kernel takes at once', `GET / HTTP/1.1\r\n${'A: b\r\n'.repeat(2_000_000)}\r\n`]
]

t.test('a head beyond maxHeaderSize is answered with 431', async (t) => {
  t.jobs = tooLarge.length
  for (const [name, bytes] of tooLarge) {
    t.test(name, async (t) => {
      const guarded = await headApp(t, {}, { fastify: { http: { maxHeaderSize: MAX_HEADER_SIZE } } })
      const client = new RawClient(guarded.port)
      await client.write(bytes)
      const seen = await client.closed
      mustBeRefused(t, seen, 431, 'Request Header Fields Too Large', 'FST_READ_HEADERS_TOO_LARGE', `The request headers exceed the limit of ${MAX_HEADER_SIZE} bytes`)
      t.equal(seen.end, 'FIN')
      const record = await onlyRecord(t, guarded, 'warn')
      t.match(record, { reason: 'headers_too_large', phase: 'headers', blame: 'client_invalid', statusCode: 431, answered: true, limit: MAX_HEADER_SIZE })
      t.ok(record.received >= MAX_HEADER_SIZE, `${record.received}`)
      t.strictSame(guarded.served, [])
    })
  }
})

t.test('a head just within maxHeaderSize is served', async (t) => {
  const guarded = await headApp(t, {}, { fastify: { http: { maxHeaderSize: MAX_HEADER_SIZE } } })
  const client = new RawClient(guarded.port)
  await client.write(head('GET', '/', { Connection: 'close', X: 'x'.repeat(MAX_HEADER_SIZE - 100) }))
  t.equal(onlyAnswer(await client.closed).statusCode, 200)
  t.strictSame(guarded.records, [])
})

const CLOSE = 'Host: a\r\nConnection: close\r\n'
const JSON_BODY = 'Content-Type: application/json\r\n\r\n2\r\n{}\r\n0\r\n\r\n'

/** What Node's parser lets pass: what strictFraming answers; without it each is served. */
const loose: ReadonlyArray<readonly [name: string, bytes: string, statusCode: number, message: string]> = [
  ['Transfer-Encoding in HTTP/1.0', `POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n${JSON_BODY}`, 400, 'The request is malformed: Transfer-Encoding in HTTP/1.0'],
  ['two Hosts', `GET / HTTP/1.1\r\n${CLOSE}Host: b\r\n\r\n`, 400, 'The request is malformed: more than one Host'],
  ['the same Host twice', `GET / HTTP/1.1\r\n${CLOSE}hOST: a\r\n\r\n`, 400, 'The request is malformed: more than one Host'],
  ['a coding nobody undoes', `POST / HTTP/1.1\r\n${CLOSE}Transfer-Encoding: gzip, chunked\r\n${JSON_BODY}`, 501, 'The request is malformed: unknown transfer coding'],
  ['a coding nobody undoes, in a line of its own', `POST / HTTP/1.1\r\n${CLOSE}Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n${JSON_BODY}`, 501, 'The request is malformed: unknown transfer coding']
]

t.test('what RFC 9112 has a server refuse is refused before anybody sees the request', async (t) => {
  t.jobs = loose.length
  for (const [name, bytes, statusCode, message] of loose) {
    t.test(name, async (t) => {
      const guarded = await headApp(t)
      const client = new RawClient(guarded.port)
      await client.write(bytes)
      const seen = await client.closed
      mustBeRefused(t, seen, statusCode, STATUS_CODES[statusCode] ?? '', 'FST_READ_MALFORMED', message)
      t.equal(seen.end, 'FIN')
      t.match(await onlyRecord(t, guarded, 'warn'), {
        code: 'FST_READ_MALFORMED',
        reason: 'malformed',
        phase: 'headers',
        blame: 'client_invalid',
        statusCode,
        answered: true,
        observed: false,
        method: bytes.slice(0, bytes.indexOf(' ')),
        url: '/',
        route: undefined
      })
      t.strictSame(guarded.served, [])
    })
  }
})

t.test('strictFraming: false leaves it to Node\'s parser', async (t) => {
  t.jobs = loose.length
  for (const [name, bytes] of loose) {
    t.test(name, async (t) => {
      const guarded = await headApp(t, { strictFraming: false })
      const client = new RawClient(guarded.port)
      await client.write(bytes)
      t.equal(onlyAnswer(await client.closed).statusCode, 200)
      t.strictSame(guarded.records, [])
      t.equal(guarded.served.length, 1)
    })
  }
})

t.test('what is refused has its body thrown away with it, in one record', async (t) => {
  const guarded = await headApp(t)
  const client = new RawClient(guarded.port)
  await client.write(`POST / HTTP/1.1\r\n${CLOSE}Host: b\r\nContent-Length: 4000000\r\n\r\n`)
  await client.write(Buffer.alloc(4_000_000))
  mustBeRefused(t, await client.closed, 400, 'Bad Request', 'FST_READ_MALFORMED')
  t.equal((await onlyRecord(t, guarded, 'warn')).phase, 'headers')
})

t.test('what is refused behind other requests is answered after them', async (t) => {
  const guarded = await headApp(t)
  const client = new RawClient(guarded.port)
  await client.write(head('GET', '/').repeat(2) + 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n')
  const answers = parseAnswers((await client.closed).text)
  t.strictSame(answers.map(answer => answer.statusCode), [200, 200, 400])
  t.equal(answers[2]?.headers.connection, 'close')
  await onlyRecord(t, guarded, 'warn')
  t.equal(guarded.served.length, 2)
})
