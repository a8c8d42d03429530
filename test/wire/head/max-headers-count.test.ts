import t from 'tap'
import { headApp } from '../../support/app/header-limits.js'
import { onlyAnswer, RawClient } from '../../support/client/raw-client.js'
import { mustBeRefused, onlyRecord } from '../../support/oracle/expect-refusal.js'

t.jobs = 16

/** A head with so many header lines. */
function headOf (lines: number): string {
  return `GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${'A: b\r\n'.repeat(lines - 2)}\r\n`
}

/** Node's default, one that the parser of Node 20 hands over in whole batches (of 31), and others. */
for (const maxHeadersCount of [undefined, 62, 64, 10]) {
  const kept = maxHeadersCount ?? 1000
  const fastify = { http: { maxHeaderSize: 1_000_000 } }
  const before = (server: { maxHeadersCount: number | null }): void => {
    if (maxHeadersCount !== undefined) server.maxHeadersCount = maxHeadersCount
  }

  t.test(`as many header lines as Node keeps (${kept}) are served`, async (t) => {
    const guarded = await headApp(t, {}, { fastify, before: (app) => before(app.server) })
    const client = new RawClient(guarded.port)
    await client.write(headOf(kept))
    t.equal(onlyAnswer(await client.closed).statusCode, 200)
    t.strictSame(guarded.records, [])
  })

  for (const lines of [kept + 1, kept + 32, kept * 3]) {
    t.test(`${lines} header lines, where ${kept} are kept, are refused`, async (t) => {
      const guarded = await headApp(t, {}, { fastify, before: (app) => before(app.server) })
      const client = new RawClient(guarded.port)
      await client.write(headOf(lines))
      mustBeRefused(t, await client.closed, 431, 'Request Header Fields Too Large', 'FST_READ_HEADERS_TOO_LARGE', `The request headers exceed the limit of ${kept} header lines`)
      t.match(await onlyRecord(t, guarded, 'warn'), {
        code: 'FST_READ_HEADERS_TOO_LARGE',
        reason: 'headers_too_large',
        phase: 'headers',
        blame: 'client_invalid',
        statusCode: 431,
        answered: true,
        limit: kept
      })
      t.strictSame(guarded.served, [])
    })
  }
}

t.test('maxHeadersCount: 0 keeps them all', async (t) => {
  const guarded = await headApp(t, {}, { fastify: { http: { maxHeaderSize: 1_000_000 } }, before: (app) => { app.server.maxHeadersCount = 0 } })
  const client = new RawClient(guarded.port)
  await client.write(headOf(3000))
  t.equal(onlyAnswer(await client.closed).statusCode, 200)
  t.strictSame(guarded.records, [])
})

t.test('strictFraming: false leaves them to Node, which drops the rest (20) or refuses them', async (t) => {
  const guarded = await headApp(t, { strictFraming: false })
  const client = new RawClient(guarded.port)
  await client.write(headOf(1500))
  const { statusCode } = onlyAnswer(await client.closed)
  t.equal(statusCode, process.version.startsWith('v20.') ? 200 : 431)
  t.equal(guarded.records.length, statusCode === 200 ? 0 : 1)
})
