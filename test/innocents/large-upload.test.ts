import t from 'tap'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { guardedApp } from '../support/app/guarded-app.js'
import { head, onlyAnswer, RawClient } from '../support/client/raw-client.js'

const MB = 1024 * 1024
const SIZE = 100 * MB
const piece = Buffer.alloc(MB, 'x')

for (const framing of ['Content-Length', 'chunked'] as const) {
  t.test(`an upload of 100 MB passes (${framing})`, async (t) => {
    let most = 0
    const guarded = await guardedApp({
      t,
      guard: { bodyLimit: SIZE, bodyIdleTimeout: 1_000, minBodyRate: { bytesPerSecond: MB, gracePeriod: 1_000 } },
      routes: (app) => {
        app.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload))
        app.post('/', async (request) => {
          let received = 0
          await pipeline(request.raw, new Writable({
            write (data: Buffer, _encoding, done) {
              received += data.length
              most = Math.max(most, request.raw.readableLength)
              done()
            }
          }))
          return { received, counted: request.readGuard.received, expected: request.readGuard.expected }
        })
      }
    })
    const client = new RawClient(guarded.port)
    const declared = framing === 'chunked' ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': SIZE }
    await client.write(head('POST', '/', { 'Content-Type': 'application/octet-stream', Connection: 'close', ...declared }))
    for (let sent = 0; sent < SIZE; sent += piece.length) {
      if (framing === 'chunked') await client.write(`${piece.length.toString(16)}\r\n`)
      await client.write(piece)
      if (framing === 'chunked') await client.write('\r\n')
    }
    if (framing === 'chunked') await client.write('0\r\n\r\n')
    const answer = onlyAnswer(await client.closed)
    t.equal(answer.statusCode, 200)
    t.same(answer.json, { received: SIZE, counted: SIZE, ...(framing === 'chunked' ? {} : { expected: SIZE }) })
    t.strictSame(guarded.records, [])
    t.ok(most < 4 * MB, `never more than ${most} bytes were held`)
  })
}

t.test('an upload of 100 MB and one byte does not', async (t) => {
  const guarded = await guardedApp({ t, guard: { bodyLimit: SIZE }, routes: (app) => { app.post('/', async () => 'ok') } })
  const client = new RawClient(guarded.port)
  await client.write(head('POST', '/', { 'Content-Type': 'text/plain', 'Content-Length': SIZE + 1 }))
  t.match(onlyAnswer(await client.closed), { statusCode: 413, json: { code: 'FST_READ_BODY_TOO_LARGE' } })
})
