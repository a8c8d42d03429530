import awsLambda from '@fastify/aws-lambda'
import fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import readGuard, { type AbortRecord, type ReadGuardOptions } from '../../lib/index.js'

/** What API Gateway hands over, as far as it matters here. */
interface Event {
  readonly method: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly isBase64Encoded?: boolean
}

async function invoke (event: Event, guard: ReadGuardOptions): Promise<{ statusCode: number, body: string, records: AbortRecord[] }> {
  const records: AbortRecord[] = []
  const app: FastifyInstance = fastify()
  await app.register(readGuard, { ...guard, onAbort: (record) => { records.push(record) } })
  app.addContentTypeParser('application/octet-stream', { parseAs: 'string' }, (_request, body, done) => done(null, body))
  app.route({ method: ['GET', 'DELETE', 'POST', 'PUT', 'PATCH'], url: '/', handler: async (request) => request.body ?? 'no body' })
  const { method, headers = {}, body, isBase64Encoded = false } = event
  const version2 = { version: '2.0', rawPath: '/', rawQueryString: '', headers, requestContext: { http: { method, path: '/' } }, body, isBase64Encoded }
  const answer = await awsLambda(app)(version2, {}) as { statusCode: number, body: string } // the shape of version 2.0
  await app.close()
  return { statusCode: answer.statusCode, body: answer.body, records }
}

const type = { 'content-type': 'application/json' }

for (const requireContentLength of [true, false]) {
  for (const method of ['GET', 'DELETE', 'POST', 'PUT']) {
    t.test(`${method} without a body is served, requireContentLength: ${requireContentLength}`, async (t) => {
      const { statusCode, body, records } = await invoke({ method }, { requireContentLength })
      t.equal(statusCode, 200)
      t.equal(body, 'no body')
      t.strictSame(records, [])
    })
  }

  for (const method of ['POST', 'PUT', 'PATCH']) {
    t.test(`${method} with a body is served, requireContentLength: ${requireContentLength}`, async (t) => {
      const { statusCode, body, records } = await invoke({ method, headers: type, body: '{"a":1}' }, { requireContentLength })
      t.equal(statusCode, 200)
      t.equal(body, '{"a":1}')
      t.strictSame(records, [])
    })
  }

  t.test(`a client that names a Content-Type where it sends no body is served, requireContentLength: ${requireContentLength}`, async (t) => {
    const { statusCode, records } = await invoke({ method: 'GET', headers: type }, { requireContentLength })
    t.equal(statusCode, 200)
    t.strictSame(records, [])
  })

  t.test(`where the framework itself wants a body it is the framework that refuses, requireContentLength: ${requireContentLength}`, async (t) => {
    for (const method of ['DELETE', 'POST']) {
      const { body, records } = await invoke({ method, headers: type }, { requireContentLength })
      t.notMatch(body, /FST_READ_/)
      t.strictSame(records, [])
    }
  })
}

t.test('an encoded body is counted as it is handed over', async (t) => {
  const bytes = 'x'.repeat(12)
  const event = { method: 'POST', headers: { 'content-type': 'application/octet-stream' }, body: Buffer.from(bytes).toString('base64'), isBase64Encoded: true }
  t.match(await invoke(event, { bodyLimit: 12, requireContentLength: true }), { statusCode: 200, body: bytes, records: [] })
  const { statusCode, body, records: [record] } = await invoke(event, { bodyLimit: 11 })
  t.equal(statusCode, 413)
  t.match(JSON.parse(body), { code: 'FST_READ_BODY_TOO_LARGE' })
  t.match(record, { code: 'FST_READ_BODY_TOO_LARGE', limit: 11, answered: true })
})
