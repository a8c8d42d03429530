import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isAtEnd } from './request-kind.js'

/*
 * What Fastify 5 and light-my-request do without documenting it. Tested with Fastify 5.12.
 */

/** Fastify installs its own 'clientError' handler bound, where the user gave none. */
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
 * Who has set Node's `headersTimeout` on an application's servers, which a value does not tell that is Node's default: its
 * options, perhaps the factory that made them, or nobody.
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

/** The descriptions of the symbols by which Fastify keeps the context of its route on a request, and from `preParsing` on the body. */
const ROUTE_CONTEXT = 'fastify.context'
const PAYLOAD = 'fastify.RequestPayloadStream'

/**
 * Calls back once the last `onRequest` hook of a request has passed it on, before the hooks of `preParsing`, whatever the order
 * in which hooks were added: the request gets hooks of its own, so that no other one pays. The error that is returned is its
 * answer.
 *
 * @returns whether that is still to come, and will be told of
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

/** Fastify throws this while an error that was sent before is held up in an `onError` hook: that one is the answer. */
export function isSendInsideOnError (error: unknown): boolean {
  return (error as { code?: string }).code === 'FST_ERR_SEND_INSIDE_ONERR'
}

/** Where pino has the serializers of a logger, which its children inherit. Other loggers have none. */
const kSerializers = Symbol.for('pino.serializers')

/** The description of the symbol by which pino keeps what adds fields to every line; other loggers have none. */
const MIXIN = 'pino.mixin'

/** Whether an application has no logger: in its place Fastify has one function for every level, which does nothing. */
export function isSilent (log: FastifyBaseLogger): boolean {
  return log.info === log.fatal
}

/** Whether an application takes the client's address from what a proxy says: only then can a request have the addresses on its way. */
export function trustsProxy (request: FastifyRequest): boolean {
  return 'ips' in request
}

/** Whether lines of a logger may depend on the context in which they are written. */
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
 * The URL of a request as the application's own `req` serializer has it: what that one leaves out (a token in the query) is
 * not to be logged. Where it has no URL, or throws, there is none to be had: whatever else was made up could bring back
 * what it hides.
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
 * `request.ip`, which by `trustProxy` goes back to the address of the connection: Node does not tell that any more once it
 * has closed.
 *
 * @param remoteAddress of the connection
 */
export function clientAddress (request: FastifyRequest, remoteAddress: string | undefined): string | undefined {
  const { headers, socket } = request.raw
  const raw = { headers, socket: { remoteAddress } }
  try {
    if (request.raw.httpVersionMajor === 1 && socket.remoteAddress === remoteAddress) return request.ip
    return (Object.create(request, { raw: { value: raw } }) as FastifyRequest).ip
  } catch {
    return undefined // of a `trustProxy` function of the application's
  }
}

interface InjectedRequest extends IncomingMessage {
  readonly _lightMyRequest?: { readonly payload?: unknown, readonly simulate: { readonly end?: boolean } }
}

export function isInjected (raw: IncomingMessage): boolean {
  return 'isLightMyRequest' in raw
}

/** Whether `inject()` was given a body that comes bit by bit: its length need not be told. */
export function hasInjectedStream (raw: IncomingMessage): boolean {
  if (!isInjected(raw)) return false
  const body = injectedBody(raw)
  return typeof body === 'object' || body === 'endless'
}

/**
 * How a body comes that has no connection: as a stream, whole with its request, of so many bytes where nothing is simulated, or
 * without an end (`simulate.end: false`, and requests that an adapter emits before they are at their end).
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
 * Fastify runs `onResponse` and writes its last line on 'finish' or 'error' of the response, by one listener of both. Of a
 * response whose client has gone neither comes: that listener is called as for any other end, which is no error of the
 * application's. What else listens hears of it by 'close'.
 */
export function tellFramework (response: ServerResponse): void {
  const onFinish = response.listeners('finish')
  for (const listener of response.listeners('error')) {
    if (onFinish.includes(listener)) listener.call(response)
  }
}
