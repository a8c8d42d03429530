import t from 'tap'
import { gzipSync } from 'node:zlib'
import type { FastifyRequest } from 'fastify'
import { noise } from '../../support/app/guarded-app.js'
import { post, unreadApp } from '../../support/app/unread-bodies.js'
import { chunk, head, onlyAnswer, RawClient } from '../../support/client/raw-client.js'
import { mustBeRefused, onlyRecord } from '../../support/oracle/expect-refusal.js'

t.jobs = 16

const BYTES = Buffer.from([0x00, 0xe4, 0xf6, 0xff, 0x0d, 0x0a])

const framings = [
  ['a declared', [post({ 'Content-Length': BYTES.length }), BYTES]],
  ['a chunked', [post({ 'Transfer-Encoding': 'chunked' }), '3\r\n', BYTES.subarray(0, 3), '\r\n3\r\n', BYTES.subarray(3), '\r\n0\r\n\r\n']]
] as const

for (const [name, pieces] of framings) {
  t.test(`readRawBody() gives ${name} body as a Buffer, byte for byte`, async (t) => {
    const guarded = await unreadApp(t, async (request) => {
      const body = await request.readRawBody()
      return { isBuffer: Buffer.isBuffer(body), hex: body.toString('hex') }
    })
    const client = new RawClient(guarded.port)
    for (const piece of pieces) await client.write(piece)
    t.match(onlyAnswer(await client.closed), { statusCode: 200, json: { isBuffer: true, hex: BYTES.toString('hex') } })
    t.strictSame(guarded.records, [])
  })
}

const encodings: ReadonlyArray<readonly [encoding: string | true, bytes: Buffer, text: string]> = [
  [true, Buffer.from('käse €'), 'käse €'],
  ['utf8', Buffer.from('käse €'), 'käse €'],
  ['latin1', Buffer.from('käse', 'latin1'), 'käse'],
  ['utf-16le', Buffer.from('käse', 'utf16le'), 'käse'],
  ['windows-1252', Buffer.from([0x80]), '€']
]

for (const [encoding, bytes, text] of encodings) {
  t.test(`readRawBody({ encoding: ${String(encoding)} }) gives a string`, async (t) => {
    const guarded = await unreadApp(t, async (request) => ({ text: await request.readRawBody({ encoding }) }))
    const client = new RawClient(guarded.port)
    await client.write(post({ 'Content-Length': bytes.length }))
    for (const byte of bytes) await client.write(Buffer.from([byte])) // a character may be split between packets
    t.match(onlyAnswer(await client.closed), { statusCode: 200 })
    const { body } = onlyAnswer(await client.closed)
    t.equal((JSON.parse(Buffer.from(body, 'latin1').toString()) as { text: string }).text, text)
  })
}

t.test('an encoding that nobody knows is the caller\'s mistake: raw-body\'s own error, and no record', async (t) => {
  const guarded = await unreadApp(t, async (request) => request.readRawBody({ encoding: 'klingon' }))
  const response = await guarded.app.inject({ method: 'POST', url: '/', headers: { 'content-type': 'application/octet-stream' }, payload: 'abc' })
  t.equal(response.statusCode, 415)
  t.strictSame(guarded.records, [])
})

t.test('without a body it gives an empty one', async (t) => {
  const guarded = await unreadApp(t, async (request) => {
    const body = await request.readRawBody()
    return { length: body.length }
  })
  for (const request of [head('GET', '/', { Connection: 'close' }), post({ 'Content-Length': 0 }), post({ 'Transfer-Encoding': 'chunked' }) + '0\r\n\r\n']) {
    const client = new RawClient(guarded.port)
    await client.write(request)
    t.match(onlyAnswer(await client.closed), { statusCode: 200, json: { length: 0 } })
  }
  t.match((await guarded.app.inject('/')).json(), { length: 0 })
  t.strictSame(guarded.records, [])
})

t.test('an encoded body is given as sent', async (t) => {
  const bytes = gzipSync('text')
  const guarded = await unreadApp(t, async (request) => ({ hex: (await request.readRawBody()).toString('hex') }))
  const response = await guarded.app.inject({ method: 'POST', url: '/', headers: { 'content-type': 'application/octet-stream', 'content-encoding': 'gzip' }, payload: bytes })
  t.same(response.json(), { hex: bytes.toString('hex') })
})

const LIMIT = 10
const limited = ({ limit }: { limit: number }) => async (request: FastifyRequest): Promise<object> => ({ length: (await request.readRawBody({ limit })).length })

const sizes = [
  ['declared', LIMIT - 1, post({ 'Content-Length': LIMIT - 1 }) + 'x'.repeat(LIMIT - 1)],
  ['declared', LIMIT, post({ 'Content-Length': LIMIT }) + 'x'.repeat(LIMIT)],
  ['chunked', LIMIT, post({ 'Transfer-Encoding': 'chunked' }) + chunk('x'.repeat(LIMIT)) + '0\r\n\r\n']
] as const

for (const [framing, length, request] of sizes) {
  t.test(`a ${framing} body of ${length} bytes is within a limit of ${LIMIT}`, async (t) => {
    const guarded = await unreadApp(t, limited({ limit: LIMIT }))
    const client = new RawClient(guarded.port)
    await client.write(request)
    t.match(onlyAnswer(await client.closed), { statusCode: 200, json: { length } })
    t.strictSame(guarded.records, [])
  })
}

const tooLarge = [
  ['declared', { limit: LIMIT }, {}, post({ 'Content-Length': LIMIT + 1 }), 0],
  ['chunked', { limit: LIMIT }, {}, post({ 'Transfer-Encoding': 'chunked' }) + chunk('x'.repeat(LIMIT + 1)), LIMIT + 1],
  ['declared, where the route allows more', { limit: LIMIT }, { bodyLimit: 100 }, post({ 'Content-Length': LIMIT + 1 }), 0],
  ['chunked, where the route allows less', { limit: 100 }, { bodyLimit: LIMIT }, post({ 'Transfer-Encoding': 'chunked' }) + chunk('x'.repeat(LIMIT + 1)), LIMIT + 1]
] as const

for (const [name, options, guard, request, received] of tooLarge) {
  t.test(`a body beyond the limit is refused: ${name}`, async (t) => {
    const guarded = await unreadApp(t, limited(options), guard)
    const client = new RawClient(guarded.port)
    await client.write(request)
    mustBeRefused(t, await client.closed, 413, 'Payload Too Large', 'FST_READ_BODY_TOO_LARGE', `The request body is larger than ${LIMIT} bytes`)
    t.match(await onlyRecord(t, guarded, 'warn'), { code: 'FST_READ_BODY_TOO_LARGE', limit: LIMIT, received, answered: true })
    t.match(guarded.handled, [{ code: 'FST_READ_BODY_TOO_LARGE', limit: LIMIT }])
    t.strictSame(noise(guarded.log), [])
  })
}

t.test('a limit of 0 is none', async (t) => {
  const guarded = await unreadApp(t, limited({ limit: 0 }))
  const client = new RawClient(guarded.port)
  await client.write(post({ 'Content-Length': 100 }) + 'x'.repeat(100))
  t.match(onlyAnswer(await client.closed), { statusCode: 200, json: { length: 100 } })
})

for (const limit of [-1, 1.5, NaN, '10kb', null]) {
  t.test(`a limit of ${JSON.stringify(limit)} is the caller's mistake`, async (t) => {
    const guarded = await unreadApp(t, limited({ limit: limit as number }))
    const response = await guarded.app.inject({ method: 'POST', url: '/', headers: { 'content-type': 'application/octet-stream' }, payload: 'abc' })
    t.match(response.json(), { statusCode: 500, code: 'FST_READ_OPTIONS_INVALID', message: /^readRawBody\(\): limit must be an integer of bytes from 0 \(off\)/ })
    t.strictSame(guarded.records, [])
  })
}
