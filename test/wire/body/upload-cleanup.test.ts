import t from 'tap'
import { begunUpload, endOfUpload, uploadApp, uploadType, uploadUrls } from '../../support/app/upload-routes.js'
import { chunk, head, onlyAnswer, RawClient } from '../../support/client/raw-client.js'

const type = { 'Content-Type': uploadType }
const declared = { ...type, 'Content-Length': 200_000 }
const chunked = { ...type, 'Transfer-Encoding': 'chunked' }

interface Failure {
  readonly what: string
  readonly headers: Readonly<Record<string, string | number>>
  /** What is done once the second file is being written. */
  readonly then?: (client: RawClient) => void | Promise<void>
  /** What the client is told; none where it has left. */
  readonly answer?: object
  /** The record; none where the failure is multipart's own. */
  readonly record?: string
}

const failures: readonly Failure[] = [
  { what: 'stalls', headers: declared, answer: { code: 'FST_READ_BODY_IDLE_TIMEOUT' }, record: 'FST_READ_BODY_IDLE_TIMEOUT' },
  { what: 'trickles', headers: declared, then: (client) => client.trickle(Array.from({ length: 200 }, () => 'x'), 20), answer: { code: 'FST_READ_BODY_TOO_SLOW' }, record: 'FST_READ_BODY_TOO_SLOW' },
  { what: 'takes too long', headers: declared, then: (client) => client.trickle(Array.from({ length: 90 }, () => 'x'.repeat(1_000)), 20), answer: { code: 'FST_READ_BODY_TIMEOUT' }, record: 'FST_READ_BODY_TIMEOUT' },
  { what: 'becomes too large', headers: chunked, then: (client) => client.write(chunk('x'.repeat(500_000))), answer: { code: 'FST_READ_BODY_TOO_LARGE' }, record: 'FST_READ_BODY_TOO_LARGE' },
  { what: 'has a file that is too large', headers: chunked, then: (client) => client.write(chunk('x'.repeat(300_000) + endOfUpload) + '0\r\n\r\n'), answer: { code: 'FST_REQ_FILE_TOO_LARGE' } },
  { what: 'ends within a file', headers: chunked, then: (client) => client.write('0\r\n\r\n'), answer: { message: 'Unexpected end of multipart data' } },
  { what: 'is malformed', headers: chunked, then: (client) => client.write('zz\r\n'), answer: { code: 'FST_READ_MALFORMED' }, record: 'FST_READ_MALFORMED' },
  { what: 'is cut off', headers: declared, then: (client) => client.fin(), record: 'FST_READ_ABORTED' },
  { what: 'is reset', headers: declared, then: (client) => client.rst(), record: 'FST_READ_ABORTED' }
]

for (const url of uploadUrls) {
  for (const failure of failures) {
    t.test(`${url}: an upload that ${failure.what} leaves no file and no descriptor behind`, async (t) => {
      const guarded = await uploadApp(t)
      const client = new RawClient(guarded.port)
      await client.write(head('POST', url, failure.headers) + ('Content-Length' in failure.headers ? begunUpload : chunk(begunUpload)))
      await guarded.writing()
      await failure.then?.(client)
      if (failure.answer !== undefined) {
        await client.until(/}$/)
        t.match(onlyAnswer(client).json, failure.answer)
        client.fin()
      }
      await client.closed
      await guarded.cleanedUp()
      t.same((await guarded.recorded(failure.record === undefined ? 0 : 1)).map(({ code }) => code), failure.record === undefined ? [] : [failure.record])
      t.equal(guarded.complete(), 0)
    })
  }

  t.test(`${url}: files that came whole are there for the handler`, async (t) => {
    const guarded = await uploadApp(t)
    const client = new RawClient(guarded.port)
    const body = begunUpload + endOfUpload
    await client.write(head('POST', url, { ...type, 'Content-Length': body.length, Connection: 'close' }) + body)
    await client.closed
    t.same(onlyAnswer(client).json, { complete: 2 })
    t.same(guarded.records, [])
    t.same(guarded.open(), [])
  })
}
