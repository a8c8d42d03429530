import diagnosticsChannel from 'node:diagnostics_channel'
import { once } from 'node:events'
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
 * Runs suites over TLS, one after the other: a process for each would take longer to start than most take to run.
 * @param suites their names, without `.test.ts`
 */
export async function overTls (...suites: readonly string[]): Promise<void> {
  transport.tls = true
  for (const suite of suites) await runOverTls(suite)
}

async function runOverTls (suite: string): Promise<void> {
  const spoken = new Promise<void>((resolve) => {
    diagnosticsChannel.subscribe('net.server.socket', (message) => {
      const { server } = (message as { socket: Socket & { server: unknown } }).socket // what this channel tells
      if (server instanceof TLSServer) resolve()
    })
  })
  t.jobs = 1 // unless it says otherwise
  await import(`../../${suite}.test.js`)
  while (!t.idle) await once(t, 'idle')
  await t.test(`${suite} speaks TLS`, () => spoken)
}
