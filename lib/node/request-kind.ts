import type { IncomingMessage } from 'node:http'
import type { Http2ServerRequest, ServerHttp2Stream } from 'node:http2'

interface ReadableInternals {
  /** Of every stream of Node's. Its public sides tell of what was consumed, not of what has come. */
  readonly _readableState?: { readonly ended: boolean }
}

/** A request of an HTTP/2 session: Node emits both classes in one event. The version alone may stand in any client's request line. */
export function http2Request (raw: IncomingMessage): Http2ServerRequest | undefined {
  return raw.httpVersionMajor === 2 && 'stream' in raw ? raw as unknown as Http2ServerRequest : undefined
}

/** @param known in lower case */
export function isHeaderNamed (name: string | undefined, known: string): boolean {
  return name?.length === known.length && (name === known || name.toLowerCase() === known)
}

/** What the header lines say of a body; nothing makes Node build its `headers`, which a request without a body may never need. */
function announcesBody (rawHeaders: readonly string[]): boolean {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]
    if (isHeaderNamed(name, 'content-length') ? Number(rawHeaders[i + 1]) > 0 : isHeaderNamed(name, 'transfer-encoding')) return true
  }
  return false
}

/** Whether a request says that a body follows (RFC 9112 §6.3; HTTP/2: no END_STREAM came with the headers). */
export function hasBody (raw: IncomingMessage): boolean {
  const request = http2Request(raw)
  if (request !== undefined) return !request.stream.endAfterHeaders
  const { rawHeaders } = raw as { readonly rawHeaders?: readonly string[] }
  if (rawHeaders !== undefined && rawHeaders.length > 0) return announcesBody(rawHeaders)
  // An adapter's requests may have nothing but these.
  return Number(raw.headers['content-length'] ?? 0) > 0 || raw.headers['transfer-encoding'] !== undefined
}

/** Whether the connection changes hands with this request. */
export function isUpgrade (raw: IncomingMessage): boolean {
  return (raw as { readonly upgrade?: boolean | null }).upgrade === true
}

/** Whether the last byte of a body has come: its request, or stream, may still be full of what nobody has read. */
export function isAtEnd (readable: IncomingMessage | ServerHttp2Stream): boolean {
  return (readable as ReadableInternals)._readableState?.ended === true
}

/** Whether the client waits for `100 Continue`, asked as Node asks. */
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
