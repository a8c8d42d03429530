import type { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { http2Request } from './request-kind.js'

/*
 * All methods of a request that are overridden, each on the instance. Tested on Node 20, 22, 24 and 26.
 */

/** Receives what the overrides notice. */
export interface RequestSink {
  /** The reply to the request, once there is one. */
  readonly reply: FastifyReply | undefined
  /** The body was read to its end. */
  readonly isDone: boolean
  /** A chunk came. Returns whether it goes on to the consumer. */
  onChunk (bytes: number): boolean
  /** The body seems to be at its end. Returns whether the consumer is told so. */
  onEnd (): boolean
  /** The consumer does not keep up. */
  onBackPressure (): void
  /** A consumer begins to wait for more bytes, or to read a request that has failed. */
  onRead (): void
  /** The answer is out, and the handler has not read the request. */
  onDump (): void
}

const kSink = Symbol('fastify-read-guard.request-sink')

export interface GuardedRequest extends IncomingMessage {
  [kSink]?: RequestSink
  /** How Node throws away what a handler did not read, once the answer is out. */
  _dump?: () => void
}

export function sinkOf (raw: IncomingMessage): RequestSink | undefined {
  return (raw as GuardedRequest)[kSink]
}

const { push, destroy, resume } = Readable.prototype

/** Requests that have ended for every consumer, although the rest of the body is still to come. */
const ended = new WeakSet<IncomingMessage>()

/** Every byte of a body passes here before any consumer sees it. Unlike a 'data' listener, this doesn't make the stream flow. */
function countedPush (this: GuardedRequest, chunk: Uint8Array | string | null, encoding?: BufferEncoding): boolean {
  const sink = this[kSink]
  if (sink === undefined) return push.call(this, chunk, encoding)
  if (chunk === null) return sink.isDone || !sink.onEnd() ? false : push.call(this, null)
  if (!sink.onChunk(typeof chunk === 'string' ? Buffer.byteLength(chunk, encoding) : chunk.length)) return true
  const more = push.call(this, chunk, encoding)
  if (!more) sink.onBackPressure()
  return more
}

/** Node would discard the rest uncounted. Here it is read instead, so that it is counted before it is thrown away. */
function countedDump (this: GuardedRequest): void {
  this[kSink]?.onDump()
  if (!ended.has(this)) this.resume()
}

/** The `_read` of the request's class, as it is without our override. */
function readOf (request: IncomingMessage): (size: number) => void {
  return (Object.getPrototypeOf(request) as IncomingMessage)._read
}

/** Called in the async context of a consumer that waits for bytes. Nothing waits for a body that came whole. */
function firstRead (this: GuardedRequest, size: number): void {
  this._read = readOf(this)
  this[kSink]?.onRead()
  this._read(size)
}

/** @param wholeBytes length of a body that is already here as a whole: its chunks need not be seen */
export function hookRequest (raw: GuardedRequest, sink: RequestSink, { wholeBytes }: { readonly wholeBytes: number | undefined }): void {
  raw[kSink] = sink
  if (wholeBytes !== undefined) return
  raw.push = countedPush
  // HTTP/2 requests have no `_dump`; requests that adapters make may have their own `_read`.
  if (raw._dump !== undefined) raw._dump = countedDump
  if (raw._read === readOf(raw)) raw._read = firstRead
}

function ignore (): void {}

/** The 'error' listeners that have been called for a failed request. A request gets its entry when it fails. */
const told = new WeakMap<IncomingMessage, Set<object>>()

/** Whether a consumer has heard that the request failed. */
export function isTold (raw: IncomingMessage): boolean {
  return (told.get(raw)?.size ?? 0) > 0
}

/**
 * Destroys the request without its socket: Node's own `_destroy` takes the socket along, and with it the answer. An 'error' without
 * a listener would end the process.
 */
function passOn (this: IncomingMessage, error: Error | null, callback: (error?: Error | null) => void): void {
  process.nextTick(() => {
    const listeners = this.rawListeners('error')
    told.set(this, new Set(listeners))
    // A 'close' handler may remove the last 'error' listener before the emit: keep one.
    if (listeners.length > 0) this.on('error', ignore)
    callback(listeners.length > 0 ? error : null)
  })
}

/** Gives the error to a consumer that starts to read a failed request: a destroyed stream would stay silent for ever. */
function tellLate (this: IncomingMessage): IncomingMessage {
  const { errored } = this
  sinkOf(this)?.onRead()
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
  resume.call(this)
  return this
}

/**
 * Holds back the deprecated 'aborted' until it is true: it says that the connection is gone, while 'error' says that the read
 * failed. Libraries act on both, and leave an 'error' to the application while the socket is open. If 'error' has no listener,
 * 'aborted' is emitted at once, because nothing else would report the failure.
 */
function deferAborted (raw: IncomingMessage): void {
  const listeners = raw.listeners('aborted')
  if (listeners.length === 0) return
  raw.removeAllListeners('aborted')
  const tell = (): void => {
    for (const listener of listeners) listener.call(raw)
  }
  const connection = http2Request(raw)?.stream ?? raw.socket
  if (raw.listenerCount('error') > 0 && !connection.destroyed) connection.once('close', tell)
  // The stream is destroyed in one tick, and reports it in a later one.
  else process.nextTick(() => process.nextTick(() => process.nextTick(tell)))
}

function closeQuietly (this: IncomingMessage, _error: Error | null, callback: (error?: Error | null) => void): void {
  process.nextTick(callback, null)
}

/**
 * Ends a request whose body is refused before it is read, so that a consumer that drains it (for example before an error handler
 * answers) is done at once. The connection is left alone: if an incomplete request ends, Node's own `_destroy` would destroy the
 * connection as well.
 */
export function endRequest (raw: GuardedRequest, response: EventEmitter): void {
  if (raw.destroyed || raw.readableEnded) return
  ended.add(raw)
  raw._destroy = closeQuietly
  // When the answer is out, Node takes an ended request off the parser, and would discard the rest uncounted.
  response.prependListener('finish', () => { Object.defineProperty(raw, 'readableEnded', { value: false }) })
  push.call(raw, null)
}

/** From here on, whoever destroys the request leaves its connection alone. */
export function keepConnection (raw: GuardedRequest): void {
  raw._destroy = passOn
}

/** Fails every consumer of the request, present and future, and leaves its connection alone. */
export function failRequest (raw: GuardedRequest, error: Error): void {
  deferAborted(raw)
  keepConnection(raw)
  raw.resume = tellLate
  destroy.call(raw, error)
}

/** Calls back when the body is first wanted: every consumer of a stream calls its `_read`. */
export function onFirstRead (request: IncomingMessage, wanted: () => void): void {
  const { _read: read } = request
  request._read = function (this: IncomingMessage, size) {
    this._read = read
    wanted()
    this._read(size)
  }
}
