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

/** @param known in lower case */
function isHeaderNamed (name: string | undefined, known: string): boolean {
  return name?.length === known.length && (name === known || name.toLowerCase() === known)
}

/** What the header lines of a request say of its framing, as bits. */
export const Framing = { body: 1, coding: 2, host: 4, moreHosts: 8 } as const

/**
 * Goes over the header lines once. Most names are told apart by their length, and Node doesn't have to build `headers`, which a
 * request without a body may never need.
 *
 * @returns bits of `Framing`
 */
export function framingOf (rawHeaders: readonly string[]): number {
  let framing = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]
    switch (name?.length) {
      case 4:
        if (isHeaderNamed(name, 'host')) framing |= (framing & Framing.host) === 0 ? Framing.host : Framing.moreHosts
        break
      case 14:
        if (isHeaderNamed(name, 'content-length') && Number(rawHeaders[i + 1]) > 0) framing |= Framing.body
        break
      case 17:
        if (isHeaderNamed(name, 'transfer-encoding')) framing |= Framing.body | Framing.coding
    }
  }
  return framing
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
