import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isAtEnd } from './request-kind.js'

/*
 * Undocumented internals of Fastify and light-my-request. Tested with Fastify 5.12 and 6.0.0-alpha.4.
 */

/** The name of Fastify's own 'clientError' handler, a bound function, which it installs if the application gives none. */
const DEFAULT_CLIENT_ERROR_HANDLER = 'bound defaultClientErrorHandler'

/** Whether a 'clientError' listener is the application's own. */
export function isOwnClientErrorHandler (listener: { readonly name: string }): boolean {
  return listener.name !== DEFAULT_CLIENT_ERROR_HANDLER
}

/** The description of the symbol by which Fastify keeps the options that an application was made with. */
const OPTIONS = 'fastify.options'

interface GivenOptions {
  readonly http?: { readonly headersTimeout?: number } | undefined
  readonly https?: { readonly headersTimeout?: number } | boolean | null | undefined
  readonly serverFactory?: unknown
}

/**
 * What has set Node's `headersTimeout` on an application's servers: its options, perhaps the factory that made them, or nothing.
 * The value alone doesn't tell, because Node's default may have been set as well.
 */
export function headersTimeoutSetter (app: FastifyInstance): 'options' | 'factory' | undefined {
  const key = Object.getOwnPropertySymbols(app).find(({ description }) => description === OPTIONS)
  if (key === undefined) return undefined
  const { http, https, serverFactory } = (app as unknown as Record<symbol, GivenOptions>)[key] ?? {}
  if (typeof serverFactory === 'function') return 'factory'
  const { headersTimeout } = (typeof https === 'object' ? https : http) ?? {}
  return headersTimeout === undefined ? undefined : 'options'
}

type ParsingHook = (request: FastifyRequest, reply: FastifyReply, payload: unknown, done: (error?: Error | null, payload?: unknown) => void) => void

interface RouteContext {
  preParsing: ParsingHook[] | null
}

/** The descriptions of the symbols by which a request has the context of its route and, from `preParsing` on, the body. */
const ROUTE_CONTEXT = 'fastify.context'
const PAYLOAD = 'fastify.RequestPayloadStream'

/**
 * Calls back once the last `onRequest` hook of a request has passed it on, before the hooks of `preParsing`, whatever the order
 * in which hooks were added. The request gets a list of hooks of its own, so that other requests pay nothing. An error that the
 * callback returns becomes the answer.
 *
 * @returns whether the callback is still to come
 */
export function afterOnRequest (request: FastifyRequest, onPassed: () => Error | undefined): boolean {
  const symbols = Object.getOwnPropertySymbols(request)
  const context = symbols.find(({ description }) => description === ROUTE_CONTEXT)
  if (context === undefined || symbols.some(({ description }) => description === PAYLOAD)) return false
  const holder = request as unknown as Record<symbol, unknown>
  const shared = holder[context] as RouteContext
  const hook: ParsingHook = (_request, _reply, body, done) => { done(onPassed(), body) }
  const own = Object.create(shared) as RouteContext
  own.preParsing = [hook, ...shared.preParsing ?? []]
  holder[context] = own
  return true
}

export type Send = (payload?: unknown) => FastifyReply

/** Puts another function in the place of `reply.send`, on the instance. Returns Fastify's. */
export function replaceSend (reply: FastifyReply, send: Send): Send {
  const original: Send = reply.send.bind(reply)
  reply.send = send
  return original
}

/** Fastify throws this while an error that was sent before is held up in an `onError` hook: the earlier error is the answer. */
export function isSendInsideOnError (error: unknown): boolean {
  return (error as { code?: string }).code === 'FST_ERR_SEND_INSIDE_ONERR'
}

/** Where pino has the serializers of a logger, which its children inherit. Other loggers have none. */
const kSerializers = Symbol.for('pino.serializers')

/** The description of the symbol by which pino keeps the function that adds fields to every line; other loggers have none. */
const MIXIN = 'pino.mixin'

/** Whether an application has no logger: Fastify's stand-in has one function for all levels, which does nothing. */
export function isSilent (log: FastifyBaseLogger): boolean {
  return log.info === log.fatal
}

/** Whether an application takes the client's address from a proxy's headers (`trustProxy`): only then do requests have `ips`. */
export function trustsProxy (request: FastifyRequest): boolean {
  return 'ips' in request
}

/** Whether a logger's lines may depend on the async context in which they are written. */
export function logsContext (log: FastifyBaseLogger): boolean {
  if (isSilent(log)) return false
  if (!(kSerializers in log)) return true
  for (let own: object | null = log; own !== null; own = Object.getPrototypeOf(own) as object | null) {
    const mixin = Object.getOwnPropertySymbols(own).find(({ description }) => description === MIXIN)
    if (mixin !== undefined) return (log as unknown as Record<symbol, unknown>)[mixin] !== undefined
  }
  return false
}

/**
 * The URL of a request as the application's own `req` serializer gives it: anything that the serializer leaves out (a token in
 * the query) must not be logged. If it gives no URL, or throws, there is no URL: any other value could show what the serializer
 * hides.
 */
export function loggedUrl (request: FastifyRequest | IncomingMessage, log: object): string | undefined {
  const serializers = (log as { [kSerializers]?: { req? (request: object): unknown } })[kSerializers]
  if (serializers?.req === undefined) return request.url
  try {
    const { url } = serializers.req(request) as { readonly url?: unknown }
    return typeof url === 'string' ? url : undefined
  } catch {
    return undefined
  }
}

/**
 * `request.ip`. With `trustProxy` it is worked out from the address of the connection, which Node no longer knows once the
 * connection has closed.
 *
 * @param remoteAddress the address of the connection
 */
export function clientAddress (request: FastifyRequest, remoteAddress: string | undefined): string | undefined {
  // Fastify's own getter asks the connection, and Node the system, for what is known.
  if (!trustsProxy(request) && !Object.hasOwn(request, 'ip')) return remoteAddress
  const { headers, socket } = request.raw
  const raw = { headers, socket: { remoteAddress } }
  try {
    if (request.raw.httpVersionMajor === 1 && socket.remoteAddress === remoteAddress) return request.ip
    return (Object.create(request, { raw: { value: raw } }) as FastifyRequest).ip
  } catch {
    return undefined // thrown by the application's `trustProxy` function
  }
}

interface InjectedRequest extends IncomingMessage {
  readonly _lightMyRequest?: { readonly payload?: unknown, readonly simulate: { readonly end?: boolean } }
}

export function isInjected (raw: IncomingMessage): boolean {
  return 'isLightMyRequest' in raw
}

/** Whether `inject()` was given a body that comes bit by bit: its length need not be declared. */
export function hasInjectedStream (raw: IncomingMessage): boolean {
  if (!isInjected(raw)) return false
  const body = injectedBody(raw)
  return typeof body === 'object' || body === 'endless'
}

/**
 * How the body of a request without a connection comes: as a stream, whole with its request (its length in bytes, if nothing is
 * simulated), or without an end (`simulate.end: false`, and requests that an adapter emits before they have ended).
 */
export function injectedBody (raw: IncomingMessage): Readable | number | 'whole' | 'endless' {
  if (!isInjected(raw)) return isAtEnd(raw) ? 'whole' : 'endless'
  const { payload, simulate } = (raw as InjectedRequest)._lightMyRequest ?? {}
  if (payload instanceof Readable) return payload
  if (simulate?.end === false) return 'endless'
  if (typeof payload !== 'string' && !Buffer.isBuffer(payload)) return 'whole'
  return Object.keys(simulate ?? {}).length === 0 ? Buffer.byteLength(payload) : 'whole'
}

/** The description of the symbol by which Fastify keeps what aborts `request.signal` when the request closes. */
const ON_ABORT = 'fastify.request.onAbort'

/**
 * Aborts `request.signal`, where Fastify has made one: when it is told of the end of a response, it no longer waits for the request
 * to close, of which Node tells later.
 */
export function abortSignal (request: FastifyRequest): void {
  const key = Object.getOwnPropertySymbols(request).find(({ description }) => description === ON_ABORT)
  const onAbort = key === undefined ? undefined : (request as unknown as Record<symbol, (() => void) | null>)[key]
  onAbort?.()
}

/**
 * Fastify runs `onResponse` and writes its last log line on 'finish' or 'error' of the response, with one listener for both. For
 * a response whose client has gone, neither is emitted. So that listener is called here, without an error, because the
 * application made none. Other listeners have 'close'.
 */
export function tellFramework (response: ServerResponse): void {
  const onFinish = response.listeners('finish')
  for (const listener of response.listeners('error')) {
    if (onFinish.includes(listener)) listener.call(response)
  }
}
