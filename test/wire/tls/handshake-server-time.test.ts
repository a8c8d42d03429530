import tls from 'node:tls'
import t from 'tap'
import { certificate } from '../../support/app/certificate.js'
import { guardedApp } from '../../support/app/guarded-app.js'
import { clientHello } from '../../support/client/client-hello.js'
import { delay, RawClient } from '../../support/client/raw-client.js'
import { until } from '../../support/oracle/until.js'

t.jobs = 8

const LIMIT = 400

type Found = (error: Error | null, context?: tls.SecureContext) => void

/** A client that names the host, so that the server is asked for a certificate. */
function connect (port: number): Promise<tls.TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ port, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false }, () => resolve(socket))
    socket.once('error', reject)
  })
}

for (const protocol of ['https', 'h2', 'h2+http1'] as const) {
  t.test(`${protocol}: the time in which the application looks for a certificate is not the client's`, async (t) => {
    const context = tls.createSecureContext(certificate)
    const https = { ...certificate, SNICallback: (_name: string, found: Found) => { setTimeout(() => found(null, context), LIMIT * 2) } }
    const { port, records } = await guardedApp({ t, protocol, guard: { handshakeTimeout: LIMIT, resolution: 50 }, fastify: { https } as object })
    const socket = await connect(port)
    socket.destroy()
    t.same(records, [])
  })

  t.test(`${protocol}: the client's own time beside it is`, async (t) => {
    const context = tls.createSecureContext(certificate)
    let lookedFor = 0
    const https = { ...certificate, SNICallback: (_name: string, found: Found) => { lookedFor++; setTimeout(() => found(null, context), LIMIT * 2) } }
    const { port, recorded, records } = await guardedApp({ t, protocol, guard: { handshakeTimeout: LIMIT, resolution: 50 }, fastify: { https } as object })
    const client = new RawClient(port)
    await client.write(await clientHello())
    await recorded()
    t.equal(lookedFor, 1)
    t.match(records, [{ code: 'FST_READ_HANDSHAKE_TIMEOUT', limit: LIMIT }])
    t.ok((records[0]?.paused ?? 0) >= LIMIT * 2 - 20, `${records[0]?.paused} ms are not counted`)
    t.ok((records[0]?.elapsed ?? 0) >= LIMIT, `${records[0]?.elapsed} ms are`)
  })
}

t.test('an application that finds no certificate ends the handshake as without the guard', async (t) => {
  const https = { ...certificate, SNICallback: (_name: string, found: Found) => { found(new Error('none')) } }
  const { port } = await guardedApp({ t, protocol: 'https', guard: { handshakeTimeout: LIMIT }, fastify: { https } as object })
  await t.rejects(connect(port))
})

t.test('where a client certificate is asked for, a handshake has more time', async (t) => {
  const { port, app, recorded } = await guardedApp({ t, protocol: 'https', guard: { resolution: 1_000 }, fastify: { https: { ...certificate, requestCert: true, rejectUnauthorized: false } } as object })
  const client = new RawClient(port)
  await client.connected()
  await until(() => app.readGuard.stats().reading.handshake === 1, 'it is accepted')
  await delay(10_500)
  t.equal(client.socket.destroyed, false, 'not the ten seconds of others')
  client.rst()
  t.match(await recorded(), [{ code: 'FST_READ_ABORTED' }])
})
