import type { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { http2Request } from './request-kind.js'

/*
 * Every method of a request that is overridden, on the instance. Tested on Node 20, 22, 24 and 26.
 */

/** What the overrides tell. */
export interface RequestSink {
  /** What answers the request, once that is known. */
  readonly reply: FastifyReply | undefined
  /** The body was read to its end. */
  readonly isDone: boolean
  /** A chunk came. Returns whether it goes on to the consumer. */
  onChunk (bytes: number): boolean
  /** The body seems to be at its end. Returns whether the consumer is told so. */
  onEnd (): boolean
  /** The consumer does not keep up. */
  onBackPressure (): void
  /** A consumer begins to wait for more than has come, or to read what has failed. */
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

/** The requests that are at their end for every consumer, though the rest is still to come. */
const ended = new WeakSet<IncomingMessage>()

/** Every body byte passes here before any consumer sees it, and the stream is not made to flow. */
function countedPush (this: GuardedRequest, chunk: Uint8Array | string | null, encoding?: BufferEncoding): boolean {
  const sink = this[kSink]
  if (sink === undefined) return push.call(this, chunk, encoding)
  if (chunk === null) return sink.isDone || !sink.onEnd() ? false : push.call(this, null)
  if (!sink.onChunk(typeof chunk === 'string' ? Buffer.byteLength(chunk, encoding) : chunk.length)) return true
  const more = push.call(this, chunk, encoding)
  if (!more) sink.onBackPressure()
  return more
}

/** Node would drop the rest unseen: it is thrown away here instead, where it is counted. */
function countedDump (this: GuardedRequest): void {
  this[kSink]?.onDump()
  if (!ended.has(this)) this.resume()
}

/** The own `_read` of the request's class: what reading it does without us. */
function readOf (request: IncomingMessage): (size: number) => void {
  return (Object.getPrototypeOf(request) as IncomingMessage)._read
}

/** A consumer that waits comes by here, in its own context; a body that came whole is not waited for. */
function firstRead (this: GuardedRequest, size: number): void {
  this._read = readOf(this)
  this[kSink]?.onRead()
  this._read(size)
}

/** @param wholeBytes of a body that is all there already, and whose chunks need not be seen */
export function hookRequest (raw: GuardedRequest, sink: RequestSink, { wholeBytes }: { readonly wholeBytes: number | undefined }): void {
  raw[kSink] = sink
  if (wholeBytes !== undefined) return
  raw.push = countedPush
  // Those of HTTP/2 have none; requests that adapters make may have a `_read` of their own.
  if (raw._dump !== undefined) raw._dump = countedDump
  if (raw._read === readOf(raw)) raw._read = firstRead
}

function ignore (): void {}

/** The listeners that have heard the error of a failed request; no request is listed before it fails. */
const told = new WeakMap<IncomingMessage, Set<object>>()

/** Whether a consumer has heard that the request failed. */
export function isTold (raw: IncomingMessage): boolean {
  return (told.get(raw)?.size ?? 0) > 0
}

/** Destroys without the socket: Node's own takes it along, and with it the answer. An 'error' without a listener would end the process. */
function passOn (this: IncomingMessage, error: Error | null, callback: (error?: Error | null) => void): void {
  process.nextTick(() => {
    const listeners = this.rawListeners('error')
    told.set(this, new Set(listeners))
    // A 'close' handler may remove the last 'error' listener before the emit: keep one.
    if (listeners.length > 0) this.on('error', ignore)
    callback(listeners.length > 0 ? error : null)
  })
}

/** Tells a consumer that starts to read a failed request, where a destroyed stream would stay silent for ever. */
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
 * 'error' tells that the read failed, and the deprecated 'aborted' that the connection is gone: it is told when that is so.
 * Libraries act on both, and take the first for the application's affair while the socket stands. Where 'error' has no
 * listener, 'aborted' is told at once: there is no other way to learn of the failure.
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
  // After the tick in which the stream is destroyed comes that in which it says so.
  else process.nextTick(() => process.nextTick(() => process.nextTick(tell)))
}

function closeQuietly (this: IncomingMessage, _error: Error | null, callback: (error?: Error | null) => void): void {
  process.nextTick(callback, null)
}

/**
 * Ends a request whose body is refused before it is read: a consumer that drains it, before an error handler answers for
 * example, is at its end at once. Its connection is left alone: at the end of a request that is not complete, Node's own
 * `_destroy` would take it along.
 */
export function endRequest (raw: GuardedRequest, response: EventEmitter): void {
  if (raw.destroyed || raw.readableEnded) return
  ended.add(raw)
  raw._destroy = closeQuietly
  // When the answer is out, Node takes a request that is at its end off the parser, and would drop the rest uncounted.
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

/** Calls back when the body is first wanted: every consumer of a stream comes by its `_read`. */
export function onFirstRead (request: IncomingMessage, wanted: () => void): void {
  const { _read: read } = request
  request._read = function (this: IncomingMessage, size) {
    this._read = read
    wanted()
    this._read(size)
  }
}
