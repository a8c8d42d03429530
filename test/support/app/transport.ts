import diagnosticsChannel from 'node:diagnostics_channel'
import { once } from 'node:events'
import type { ServerOptions } from 'node:http'
import type { SecureServerOptions } from 'node:http2'
import type { Socket } from 'node:net'
import { Server as TLSServer } from 'node:tls'
import t from 'tap'
import { certificate } from './certificate.js'

/** What an application speaks; `h2c` is HTTP/2 without TLS, `h2+http1` serves both kinds of clients over TLS. */
export type Protocol = 'http' | 'https' | 'h2c' | 'h2' | 'h2+http1'

/** What Fastify has other types for: `http`, `https`, `http2`. */
export interface ServerKind {
  readonly http?: ServerOptions & { connectionsCheckingInterval?: number }
  readonly https?: SecureServerOptions
  readonly http2?: boolean
  readonly http2SessionTimeout?: number
}

/** Whether the applications and clients of a suite speak TLS, where they do not say so themselves. */
export const transport = { tls: false }

/** @param http what Node's server of HTTP takes: that of HTTPS takes it as well */
export function serverKind (protocol: Protocol = transport.tls ? 'https' : 'http', http: object = {}): ServerKind {
  const https = { ...certificate, ...http }
  return { http: {}, https: { https }, h2c: { http2: true }, h2: { http2: true, https }, 'h2+http1': { http2: true, https: { ...https, allowHTTP1: true } } }[protocol]
}

/**
 * Runs suites over TLS, one after the other: a process for each would take longer to start than most take to run.
 * @param suites their paths below `test`, without `.test.ts`
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
