import diagnosticsChannel from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { Server as TLSServer } from 'node:tls'
import t from 'tap'
import { certificate } from './certificate.js'
import type { ServerKind } from './guarded-app.js'

/** Whether the applications and clients of a suite speak TLS, where they do not say so themselves. */
export const transport = { tls: false }

/** @param http what Node's server of HTTP takes: that of HTTPS takes it as well */
export function serverKind (http: object = {}): ServerKind {
  return transport.tls ? { https: { ...certificate, ...http } } : {}
}

/**
 * Runs a suite over TLS.
 * @param suite its name, without `.test.ts`
 */
export async function overTls (suite: string): Promise<void> {
  transport.tls = true
  const spoken = new Promise<void>((resolve) => {
    diagnosticsChannel.subscribe('net.server.socket', (message) => {
      const { server } = (message as { socket: Socket & { server: unknown } }).socket // what this channel tells
      if (server instanceof TLSServer) resolve()
    })
  })
  await import(`../${suite}.test.js`)
  t.test(`${suite} speaks TLS`, () => spoken)
}
