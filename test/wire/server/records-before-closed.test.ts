import t from 'tap'
import { guardedApp } from '../../support/app/guarded-app.js'
import type { Protocol } from '../../support/app/transport.js'
import { data, headers, PREFACE, requestBlock, settings, settingsAck } from '../../support/client/http2-frames.js'
import { head, RawClient } from '../../support/client/raw-client.js'
import { until } from '../../support/oracle/until.js'

t.jobs = 8

const stream = Buffer.concat([PREFACE, settings(), settingsAck(), headers(1, requestBlock('POST', '/', { 'content-type': 'text/plain' })), data(1, 'half')])

const clients: ReadonlyArray<readonly [what: string, phase: 'headers' | 'body', protocol: Protocol, bytes: string | Buffer]> = [
  ['in a head', 'headers', 'http', 'POST / HTTP/1.1\r\nHo'],
  ['in a body', 'body', 'http', head('POST', '/', { 'Content-Type': 'text/plain', 'Content-Length': 9 }) + 'half'],
  ['in the body of a stream', 'body', 'h2c', stream]
]

for (const [what, phase, protocol, bytes] of clients) {
  for (const [how, leave] of [['by RST', (client: RawClient) => client.rst()], ['by FIN', (client: RawClient) => client.socket.destroy()]] as const) {
    t.test(`a client that leaves ${what}, ${how}, while the application closes is recorded before that has closed`, async (t) => {
      const { app, port, records, log } = await guardedApp({ protocol, routes: (app) => { app.post('/', async () => 'ok') } })
      const client = new RawClient(port)
      await client.write(bytes)
      await until(() => app.readGuard.stats().reading[phase] === 1, 'it has come')
      const closed = app.close()
      leave(client)
      await closed
      t.match(records, [{ code: 'FST_READ_ABORTED', phase, blame: 'client_gone' }])
      t.equal(log.filter(({ abort }) => abort !== undefined).length, 1)
    })
  }
}
