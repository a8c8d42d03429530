import http2, { type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { begunUpload, uploadApp, uploadType, uploadUrls } from '../support/app/upload-routes.js'

interface Failure {
  readonly what: string
  /** What is done once the second file is being written. */
  readonly then?: (stream: ClientHttp2Stream, socket: Socket) => void
  /** What the client is told; none where it has left. */
  readonly statusCode?: number
  readonly record: string
}

const failures: readonly Failure[] = [
  { what: 'stalls', statusCode: 408, record: 'FST_READ_BODY_IDLE_TIMEOUT' },
  { what: 'becomes too large', then: (stream) => { stream.write('x'.repeat(500_000)) }, statusCode: 413, record: 'FST_READ_BODY_TOO_LARGE' },
  { what: 'ends short of its length', then: (stream) => { stream.end() }, record: 'FST_READ_LENGTH_MISMATCH' },
  // Node's close() would end the body first.
  { what: 'is reset', then: (stream) => { stream.destroy(new Error('reset')) }, record: 'FST_READ_ABORTED' },
  { what: 'loses its session', then: ({ session }) => { session?.destroy() }, record: 'FST_READ_ABORTED' },
  { what: 'loses its connection', then: (_stream, socket) => { socket.resetAndDestroy() }, record: 'FST_READ_ABORTED' }
]

for (const url of uploadUrls) {
  for (const { what, then, statusCode, record } of failures) {
    t.test(`${url}: over HTTP/2 an upload that ${what} leaves no file and no descriptor behind`, async (t) => {
      const guarded = await uploadApp(t, 'h2c')
      const socket = connect(guarded.port, '127.0.0.1')
      const session = http2.connect('http://localhost', { createConnection: () => socket })
      t.teardown(() => session.destroy())
      session.on('error', () => {}) // that it was destroyed
      const length = record === 'FST_READ_LENGTH_MISMATCH' ? { 'content-length': '200000' } : {}
      const stream = session.request({ ':method': 'POST', ':path': url, 'content-type': uploadType, ...length })
      stream.on('error', () => {}) // that it was reset
      const response = new Promise<IncomingHttpHeaders & { ':status'?: number }>((resolve) => stream.once('response', resolve))
      stream.write(begunUpload)
      await guarded.writing()
      then?.(stream, socket)
      if (statusCode !== undefined) {
        t.equal((await response)[':status'], statusCode)
        t.match(JSON.parse(await text(stream)), { code: record })
      }
      await guarded.cleanedUp()
      t.same((await guarded.recorded()).map(({ code }) => code), [record])
      t.equal(guarded.complete(), 0)
    })
  }
}
