import type { Violation } from '../record/errors.js'
import type { ReadLimits } from './options.js'
import type { ResolvedOptions } from './resolve.js'
import type { Expiry } from '../clock/read-clock.js'

/** The rule that is broken when the clock of a header section runs out. */
export function headExpiry (expiry: Expiry, { headersTimeout, minHeadersRate }: ResolvedOptions): Violation {
  return expiry === 'rate' && minHeadersRate !== false
    ? { code: 'FST_READ_HEADERS_TOO_SLOW', limit: minHeadersRate.bytesPerSecond }
    : { code: 'FST_READ_HEADERS_TIMEOUT', limit: headersTimeout }
}

/** The rule that is broken when the clock of a response runs out. */
export function responseExpiry (expiry: Expiry, { responseIdleTimeout, minResponseRate }: ReadLimits): Violation {
  return expiry === 'rate' && minResponseRate !== false
    ? { code: 'FST_READ_RESPONSE_TOO_SLOW', limit: minResponseRate.bytesPerSecond }
    : { code: 'FST_READ_RESPONSE_IDLE_TIMEOUT', limit: responseIdleTimeout }
}

/** The rule that is broken when the clock of a body runs out. */
export function bodyExpiry (expiry: Expiry, { bodyTimeout, bodyIdleTimeout, minBodyRate }: ReadLimits): Violation {
  if (expiry === 'idle') return { code: 'FST_READ_BODY_IDLE_TIMEOUT', limit: bodyIdleTimeout }
  return expiry === 'rate' && minBodyRate !== false
    ? { code: 'FST_READ_BODY_TOO_SLOW', limit: minBodyRate.bytesPerSecond }
    : { code: 'FST_READ_BODY_TIMEOUT', limit: bodyTimeout }
}
