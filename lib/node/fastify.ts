import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply } from 'fastify'
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
