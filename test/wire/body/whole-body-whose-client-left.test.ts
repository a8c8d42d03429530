import { PassThrough } from 'node:stream'
import t from 'tap'
import { guardedApp } from '../../support/app/guarded-app.js'
import { chunk, delay, head, RawClient } from '../../support/client/raw-client.js'
import { until } from '../../support/oracle/until.js'

t.jobs = 4

const BODY = 'z'.repeat(21)

const framings = [
  ['with its length', { 'Content-Length': BODY.length }, BODY],
  ['in one chunk', { 'Transfer-Encoding': 'chunked' }, `${chunk(BODY)}0\r\n\r\n`],
  ['in many chunks', { 'Transfer-Encoding': 'chunked' }, `${[...BODY].map(chunk).join('')}0\r\n\r\n`]
] as const

const leavings = [
  ['is reset', (client: RawClient) => client.rst()],
  ['is closed', (client: RawClient) => client.socket.destroy()]
] as const

/** A handler that answers while it reads: that the client has gone is noticed in the middle of what it sent. */
for (const [framing, headers, body] of framings) {
  for (const [leaving, leave] of leavings) {
    t.test(`a body that came whole, ${framing}, is no aborted read where its connection ${leaving} while it is answered`, async (t) => {
      const seen: string[] = []
      const { app, port, records } = await guardedApp({
        t,
        routes: (app) => {
          app.addContentTypeParser('application/x-stream', (_request, _payload, done) => done(null))
          app.post('/', (request, reply) => {
            const answer = new PassThrough()
            reply.send(answer)
            answer.write('begun')
            let bytes = 0
            request.raw.on('data', (part: Buffer) => {
              bytes += part.length
              answer.write('more')
            })
            request.raw.on('end', () => {
              seen.push(`end after ${bytes}`)
              answer.end()
            })
            request.raw.on('error', (error) => {
              seen.push(`failed after ${bytes} with ${error.message}`)
              answer.destroy(error)
            })
          })
        }
      })
      const times = 10
      for (let i = 0; i < times; i++) {
        const client = new RawClient(port)
        await client.ready()
        client.socket.write(head('POST', '/', { 'Content-Type': 'application/x-stream', ...headers }) + body, () => leave(client))
        await client.closed
      }
      await delay(50) // what a reset has destroyed before it was read never comes
      await until(() => app.readGuard.stats().reading.body === 0, 'nothing is read any more')
      // Head and body come in one packet: where the one was read, so was the other.
      t.same(records.filter(({ phase }) => phase === 'body'), [])
      t.same(seen.filter(outcome => outcome !== `end after ${BODY.length}`), [])
      t.ok(seen.length > 0)
    })
  }
}
