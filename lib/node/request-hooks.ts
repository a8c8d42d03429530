import type { IncomingMessage } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import { Readable } from 'node:stream'
import type { BodyRead } from '../body/body-read.js'

/*
 * Every method of a request that is overridden, on the instance and nowhere else. Tested on Node 20, 22, 24 and 26.
 */

export const kBodyRead = Symbol('fastify-read-guard.body-read')

export interface GuardedRequest extends IncomingMessage {
  [kBodyRead]?: BodyRead
  /** How Node throws away what a handler did not read, once the answer is out. */
  _dump?: () => void
}

export function bodyReadOf (raw: IncomingMessage): BodyRead | undefined {
  return (raw as GuardedRequest)[kBodyRead]
}

const { push, destroy, resume } = Readable.prototype

/** Every body byte passes here before any consumer sees it, and the stream is not made to flow. */
function countedPush (this: GuardedRequest, chunk: Uint8Array | string | null, encoding?: BufferEncoding): boolean {
  const read = this[kBodyRead]
  if (read === undefined) return push.call(this, chunk, encoding)
  if (chunk === null) return read.done || !read.end() ? false : push.call(this, null)
  if (!read.arrive(typeof chunk === 'string' ? Buffer.byteLength(chunk, encoding) : chunk.length)) return true
  const more = push.call(this, chunk, encoding)
  if (!more) read.held()
  return more
}

/** Node would drop the rest unseen: it is thrown away here instead, where it is counted. */
function countedDump (this: GuardedRequest): void {
  this[kBodyRead]?.abandon()
  this.resume()
}

export function guardIncoming (raw: GuardedRequest, read: BodyRead): void {
  raw[kBodyRead] = read
  raw.push = countedPush
  raw._dump = countedDump
}

function ignore (): void {}

/** Who has heard the error of a failed request; nothing before it is told. */
const told = new WeakMap<IncomingMessage, WeakSet<object>>()

/** Destroys without the socket (Node's own takes it along, and with it the answer). Unheard, an 'error' would end the process. */
function passOn (this: IncomingMessage, error: Error | null, callback: (error?: Error | null) => void): void {
  process.nextTick(() => {
    const listeners = this.rawListeners('error')
    told.set(this, new WeakSet(listeners))
    // Who has the error from 'close' already, may have stopped listening by the time that it is emitted.
    if (listeners.length > 0) this.on('error', ignore)
    callback(listeners.length > 0 ? error : null)
  })
}

/** Whoever starts to read a failed request is told, where a destroyed stream would stay silent for ever. */
function tellLate (this: IncomingMessage): IncomingMessage {
  const { errored } = this
  if (errored !== null) {
    process.nextTick(() => {
      const heard = told.get(this)
      for (const listener of this.rawListeners('error')) {
        if (heard?.has(listener) !== false || listener === ignore) continue
        heard.add(listener)
        listener.call(this, errored)
      }
    })
  }
  return resume.call(this) as IncomingMessage
}

/** Listeners of the deprecated 'aborted' make errors of their own: they are told after those of 'error'. */
function deferAborted (raw: IncomingMessage): void {
  const listeners = raw.listeners('aborted')
  if (listeners.length === 0) return
  raw.removeAllListeners('aborted')
  // After the tick in which the stream is destroyed comes that in which it says so.
  process.nextTick(() => process.nextTick(() => process.nextTick(() => {
    for (const listener of listeners) listener.call(raw)
  })))
}

/** Fails whoever reads the request, now or later, and leaves its connection alone. */
export function failIncoming (raw: GuardedRequest, error: Error): void {
  deferAborted(raw)
  raw._destroy = passOn
  raw.resume = tellLate as typeof raw.resume
  destroy.call(raw, error)
}

/** Whether somebody takes bytes from it, or has taken the first. Who has seen enough (`break`) destroys it. */
export function isBeingRead (raw: IncomingMessage): boolean {
  return !raw.destroyed && (raw.readableFlowing === true || raw.listenerCount('data') > 0 || raw.listenerCount('readable') > 0)
}

/** A request of an HTTP/2 session: Node emits both classes in one event. Its version may be in any client's request line. */
export function http2Request (raw: IncomingMessage): Http2ServerRequest | undefined {
  return raw.httpVersionMajor === 2 && 'stream' in raw ? raw as unknown as Http2ServerRequest : undefined
}

/** Whether a request says that a body follows (RFC 9112 §6.3). */
export function hasBody (raw: IncomingMessage): boolean {
  const request = http2Request(raw)
  if (request !== undefined) return !request.stream.endAfterHeaders
  const length = raw.headers['content-length']
  return length === undefined ? raw.headers['transfer-encoding'] !== undefined : Number(length) > 0
}

/** `inject()` says less: a stream is given without a length. */
export function isInjectedBody (raw: IncomingMessage): boolean {
  return 'isLightMyRequest' in raw && (hasBody(raw) || raw.headers['content-type'] !== undefined)
}
