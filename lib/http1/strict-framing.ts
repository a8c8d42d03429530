import { Framing, framingOf } from '../node/request-kind.js'
import type { Violation } from '../record/errors.js'

/** The parts of a request head that framing depends on. */
export interface FramedHead {
  readonly httpVersionMajor: number
  readonly httpVersionMinor: number
  readonly headers: { readonly 'transfer-encoding'?: string | undefined, readonly 'content-length'?: string | undefined }
  readonly rawHeaders: readonly string[]
}

function isKnownVersion ({ httpVersionMajor, httpVersionMinor }: FramedHead): boolean {
  return httpVersionMajor === 1 && (httpVersionMinor === 1 || httpVersionMinor === 0)
}

function checkTransferCoding (head: FramedHead, coding: string): Violation | undefined {
  if (head.httpVersionMajor === 1 && head.httpVersionMinor === 0) {
    return { code: 'FST_READ_MALFORMED', detail: 'Transfer-Encoding in HTTP/1.0' }
  }
  const codings = coding.toLowerCase().split(',').map(name => name.trim()).filter(name => name !== '')
  if (codings.some(name => name !== 'chunked')) {
    return { code: 'FST_READ_MALFORMED', detail: 'unknown transfer coding', statusCode: 501 }
  }
  if (codings.length !== 1) return { code: 'FST_READ_MALFORMED', detail: 'chunked is not applied exactly once' }
  // Node's parser refuses this itself, unless it was told to be lenient. A proxy in front may have gone by the other header.
  return head.headers['content-length'] === undefined ? undefined : { code: 'FST_READ_MALFORMED', detail: 'both Content-Length and Transfer-Encoding' }
}

/**
 * Checks what RFC 9112 forbids and Node's parser accepts: Transfer-Encoding in HTTP/1.0 (§6.1), a transfer coding other than
 * chunked (§6.1), Content-Length beside it (§6.3), more than one Host (§3.2), an HTTP version that is not supported (RFC 9110
 * §15.6.6), and header lines that Node would silently discard.
 *
 * @param framing the result of `framingOf()`
 */
export function checkFraming (head: FramedHead, maxHeaders: number, framing = framingOf(head.rawHeaders)): Violation | undefined {
  // Small, so that it is inlined where every request passes.
  const isOrdinary = framing <= Framing.body && isKnownVersion(head) && head.rawHeaders.length <= maxHeaders * 2
  return isOrdinary ? undefined : findViolation(head, maxHeaders, framing)
}

function findViolation (head: FramedHead, maxHeaders: number, framing: number): Violation | undefined {
  if (!isKnownVersion(head)) return { code: 'FST_READ_MALFORMED', detail: `HTTP/${head.httpVersionMajor}.${head.httpVersionMinor} is not spoken`, statusCode: 505 }
  // Node only builds `headers` when they are asked for.
  const coding = (framing & Framing.coding) !== 0 ? head.headers['transfer-encoding'] : undefined
  if (coding !== undefined) {
    const violation = checkTransferCoding(head, coding)
    if (violation !== undefined) return violation
  }
  if (head.rawHeaders.length > maxHeaders * 2) {
    return { code: 'FST_READ_HEADERS_TOO_LARGE', limit: maxHeaders, detail: `${maxHeaders} header lines` }
  }
  return (framing & Framing.moreHosts) !== 0 ? { code: 'FST_READ_MALFORMED', detail: 'more than one Host' } : undefined
}
