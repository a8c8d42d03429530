import type { Violation } from '../record/errors.js'

/** The parts of a request head that framing depends on. */
export interface FramedHead {
  readonly httpVersionMajor: number
  readonly httpVersionMinor: number
  readonly headers: { readonly 'transfer-encoding'?: string | undefined }
  readonly rawHeaders: readonly string[]
}

function countHosts (rawHeaders: readonly string[]): number {
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]
    if (name?.length === 4 && (name === 'Host' || name === 'host' || name.toLowerCase() === 'host')) hosts++
  }
  return hosts
}

function checkTransferCoding (head: FramedHead, coding: string): Violation | undefined {
  if (head.httpVersionMajor === 1 && head.httpVersionMinor === 0) {
    return { code: 'FST_READ_MALFORMED', detail: 'Transfer-Encoding in HTTP/1.0' }
  }
  const codings = coding.toLowerCase().split(',').map(name => name.trim()).filter(name => name !== '')
  if (codings.some(name => name !== 'chunked')) {
    return { code: 'FST_READ_MALFORMED', detail: 'unknown transfer coding', statusCode: 501 }
  }
  return codings.length === 1 ? undefined : { code: 'FST_READ_MALFORMED', detail: 'chunked is not applied exactly once' }
}

/**
 * What RFC 9112 has a server refuse and Node's parser lets pass: Transfer-Encoding in HTTP/1.0 (§6.1), a transfer
 * coding other than chunked (§6.1), more than one Host (§3.2), and header lines that Node would drop unseen.
 */
export function checkFraming (head: FramedHead, maxHeaders: number): Violation | undefined {
  const coding = head.headers['transfer-encoding']
  if (coding !== undefined) {
    const violation = checkTransferCoding(head, coding)
    if (violation !== undefined) return violation
  }
  if (head.rawHeaders.length > maxHeaders * 2) {
    return { code: 'FST_READ_HEADERS_TOO_LARGE', limit: maxHeaders, detail: `${maxHeaders} header lines` }
  }
  return countHosts(head.rawHeaders) > 1 ? { code: 'FST_READ_MALFORMED', detail: 'more than one Host' } : undefined
}
