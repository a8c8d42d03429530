import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { hasBody } from './request-kind.js'

/*
 * What Fastify 5 and light-my-request do without documenting it. Tested with Fastify 5.12.
 */

/** Fastify installs its own 'clientError' handler bound, where the user gave none. */
const DEFAULT_CLIENT_ERROR_HANDLER = 'bound defaultClientErrorHandler'

/** Whether a 'clientError' listener is the application's own. */
export function isOwnClientErrorHandler (listener: { readonly name: string }): boolean {
  return listener.name !== DEFAULT_CLIENT_ERROR_HANDLER
}

/** Printed where there is no route. */
const NO_ROUTES = '(empty tree)'

/** Whether the application has routes already, of which no `onRoute` hook will tell any more. */
export function hasRoutes (app: FastifyInstance): boolean {
  return app.printRoutes() !== NO_ROUTES
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
  const { headers } = request.raw
  const raw = { headers, socket: { remoteAddress } }
  try {
    return (Object.create(request, { raw: { value: raw } }) as FastifyRequest).ip
  } catch {
    return undefined // of a `trustProxy` function of the application's
  }
}

interface InjectedRequest extends IncomingMessage {
  readonly _lightMyRequest?: { readonly payload?: unknown, readonly simulate: { readonly end?: boolean } }
}

/** Whether a request was made by `inject()` and may have a body: a stream is given without a length. */
export function isInjectedBody (raw: IncomingMessage): boolean {
  return 'isLightMyRequest' in raw && (hasBody(raw) || raw.headers['content-type'] !== undefined)
}

/** How an injected body comes: as a stream, whole with its request, or (`simulate.end: false`) without an end. */
export function injectedBody (raw: IncomingMessage): Readable | 'whole' | 'endless' {
  const { payload, simulate } = (raw as InjectedRequest)._lightMyRequest ?? {}
  if (payload instanceof Readable) return payload
  return simulate?.end === false ? 'endless' : 'whole'
}
