import type { Violation } from '../record/errors.js'
import type { ReadLimits } from './options.js'

/** The size of a body as its headers declare it; `undefined` if it is chunked or there is none (RFC 9112 §6.3). */
export function declaredLength (headers: { readonly 'content-length'?: string | undefined, readonly 'transfer-encoding'?: string | undefined }): number | undefined {
  const declared = headers['content-length']
  return declared === undefined || headers['transfer-encoding'] !== undefined ? undefined : Number(declared)
}

/** Checks the declared size against the limits, before a byte is read (RFC 9110 §8.6, §15.5.12, §15.5.14). */
export function checkDeclared (expected: number | undefined, limits: ReadLimits): Violation | undefined {
  if (expected === undefined) {
    return limits.requireContentLength ? { code: 'FST_READ_LENGTH_REQUIRED' } : undefined
  }
  return limits.bodyLimit > 0 && expected > limits.bodyLimit
    ? { code: 'FST_READ_BODY_TOO_LARGE', limit: limits.bodyLimit }
    : undefined
}
