import { certificate } from './certificate.js'
import type { ServerKind } from './guarded-app.js'

/** Whether the applications and clients of a suite speak TLS, where they do not say so themselves. */
export const transport = { tls: false }

/** Has the suites that are loaded from here on run over TLS. */
export function overTls (): void {
  transport.tls = true
}

export function serverKind (): ServerKind {
  return transport.tls ? { https: certificate } : {}
}
