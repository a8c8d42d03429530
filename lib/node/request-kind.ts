import type { IncomingMessage } from 'node:http'
import type { Http2ServerRequest, ServerHttp2Stream } from 'node:http2'

interface ReadableInternals {
  /** Every stream of Node's has it. The public properties say what was consumed, not what has come. */
  readonly _readableState?: { readonly ended: boolean }
}

/** The request, if it is an HTTP/2 one: Node emits both classes in one event. The version isn't enough: any client may write it. */
export function http2Request (raw: IncomingMessage): Http2ServerRequest | undefined {
  return raw.httpVersionMajor === 2 && 'stream' in raw ? raw as unknown as Http2ServerRequest : undefined
}

/**
 * Compares a header name without regard to case. Making a name lower-case takes longer than all else that is done for a request,
 * so the two usual ways to write it come first, and then the first letter must be right (`Sec-Fetch-Site` is as long as
 * `Content-Length`).
 *
 * @param usual as most clients write it
 * @param lower in lower case
 */
function isHeaderNamed (name: string, usual: string, lower: string): boolean {
  if (name === usual || name === lower) return true
  const first = name.charCodeAt(0)
  return (first === usual.charCodeAt(0) || first === lower.charCodeAt(0)) && name.toLowerCase() === lower
}

/** What the header lines of a request say of its framing, as bits. */
export const Framing = { body: 1, coding: 2, moreHosts: 4 } as const

/** Lengths of the names that framing depends on: Host, Content-Length, Transfer-Encoding. */
const HOST = 4
const CONTENT_LENGTH = 14
const TRANSFER_ENCODING = 17

/**
 * Goes over the header lines once. Names are told apart by their length, so that most are not looked at, and Node doesn't have to
 * build `headers`, which a request without a body may never need.
 *
 * @returns bits of `Framing`
 */
export function framingOf (rawHeaders: readonly string[]): number {
  let framing = 0
  let short = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]
    if (name === undefined) continue
    switch (name.length) {
      case HOST:
        short++
        break
      case CONTENT_LENGTH:
        if (isHeaderNamed(name, 'Content-Length', 'content-length') && Number(rawHeaders[i + 1]) > 0) framing |= Framing.body
        break
      case TRANSFER_ENCODING:
        if (isHeaderNamed(name, 'Transfer-Encoding', 'transfer-encoding')) framing |= Framing.body | Framing.coding
    }
  }
  return short > 1 && hasMoreHosts(rawHeaders) ? framing | Framing.moreHosts : framing
}

function hasMoreHosts (rawHeaders: readonly string[]): boolean {
  return rawHeaders.filter((name, i) => i % 2 === 0 && isHeaderNamed(name, 'Host', 'host')).length > 1
}

/** Whether a request says that a body follows (RFC 9112 §6.3; HTTP/2: no END_STREAM came with the headers). */
export function hasBody (raw: IncomingMessage): boolean {
  const request = http2Request(raw)
  if (request !== undefined) return !request.stream.endAfterHeaders
  const { rawHeaders } = raw as { readonly rawHeaders?: readonly string[] }
  if (rawHeaders !== undefined && rawHeaders.length > 0) return (framingOf(rawHeaders) & Framing.body) !== 0
  // An adapter's requests may have no `rawHeaders`.
  return Number(raw.headers['content-length'] ?? 0) > 0 || raw.headers['transfer-encoding'] !== undefined
}

/** Whether the connection changes hands with this request. */
export function isUpgrade (raw: IncomingMessage): boolean {
  return (raw as { readonly upgrade?: boolean | null }).upgrade === true
}

/** Whether the last byte of a body has come. The request, or stream, may still hold bytes that weren't read. */
export function isAtEnd (readable: IncomingMessage | ServerHttp2Stream): boolean {
  return (readable as ReadableInternals)._readableState?.ended === true
}

/** Whether the client waits for `100 Continue`, by the same test as Node's. */
export function expectsContinue ({ httpVersionMinor, headers: { expect = '' } }: IncomingMessage): boolean {
  return httpVersionMinor === 1 && /(?:^|\W)100-continue(?:$|\W)/i.test(expect)
}

/** Whether the application listens for bytes of the request. */
export function hasConsumer (raw: IncomingMessage): boolean {
  return !raw.destroyed && (raw.listenerCount('data') > 0 || raw.listenerCount('readable') > 0)
}

/** Whether the application takes bytes from the request, or has taken the first. A consumer that has seen enough (`break`) destroys it. */
export function isBeingRead (raw: IncomingMessage): boolean {
  return hasConsumer(raw) || (!raw.destroyed && raw.readableFlowing === true)
}
