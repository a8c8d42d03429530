import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isInjected } from './fastify.js'
import { isWithin } from './fastify-routes.js'
import { http2Request } from './request-kind.js'
import { sinkOf } from './request-hooks.js'

/*
 * How a reply is met when Fastify makes it, and found again. Tested with Fastify 5.12 and 6.0.0-alpha.4.
 */

function ofSymbol (holder: object, wanted: string): unknown {
  const key = Object.getOwnPropertySymbols(holder).find(({ description }) => description === wanted)
  return key === undefined ? undefined : (holder as Record<symbol, unknown>)[key]
}

/** The description of the symbol by which Fastify keeps what writes its own log lines; since 5.12, `logController`. */
const LOG_CONTROLLER = 'fastify.logController'

interface LogController {
  incomingRequest?: (this: LogController, request: FastifyRequest, reply: FastifyReply, metadata?: object) => void
}

interface Watcher {
  readonly root: FastifyInstance
  readonly onMade: (reply: FastifyReply) => void
  isClosed: boolean
}

/** Applications may share a controller, one after the other as well: it is overridden once. */
const watchersOf = new WeakMap<LogController, Watcher[]>()

function watchersOn (controller: LogController, log: NonNullable<LogController['incomingRequest']>): Watcher[] {
  const known = watchersOf.get(controller)
  if (known !== undefined) return known
  const watchers: Watcher[] = []
  watchersOf.set(controller, watchers)
  controller.incomingRequest = function (request, reply, metadata) {
    for (const { root, onMade } of watchers) if (isWithin(request.server, root)) onMade(reply)
    log.call(this, request, reply, metadata)
  }
  return watchers
}

/**
 * Calls back for every reply that an application makes, before all hooks: then Fastify writes "incoming request", or would.
 * A hook that does no more costs several times as much.
 *
 * @returns whether this Fastify can be told so
 */
export function onReplyMade (root: FastifyInstance, onMade: (reply: FastifyReply) => void): boolean {
  const controller = ofSymbol(root, LOG_CONTROLLER) as LogController | undefined
  const log = controller?.incomingRequest
  if (controller === undefined || log === undefined) return false
  const watchers = watchersOn(controller, log)
  const watcher = { root, onMade, isClosed: false }
  // Requests may still come to one that is about to close, on connections that stand: it is let go when the next one comes.
  watchers.splice(0, watchers.length, ...watchers.filter(({ isClosed }) => !isClosed), watcher)
  root.addHook('onClose', (_app, done) => {
    watcher.isClosed = true
    done()
  })
  return true
}

/** Whether the hooks of a route are still to run for a request that has just been made: one whose URL Fastify refuses has no parameters. */
export function runsHooks ({ params }: FastifyRequest): boolean {
  return params !== null
}

const kReply = Symbol('fastify-read-guard.reply')

interface Replied {
  [kReply]?: FastifyReply | null
}

/**
 * Keeps the way from a request to its reply, which Fastify has the other way round only. Over HTTP/1 the connection has that of the
 * response whose turn it is, which costs less than a property on every request; where there is a body, its read has it.
 */
export function rememberReply (reply: FastifyReply): void {
  const { raw: response, request } = reply
  const { raw } = request
  const socket = raw.httpVersionMajor === 2 ? undefined : response.socket as Socket & Replied | null | undefined
  const holder: Replied = socket?.[kReply] === undefined ? holderWithoutSocket(request) : socket
  holder[kReply] = reply
}

/** What is injected outlives its reply, for which the garbage collector would have to do more. */
function holderWithoutSocket (request: FastifyRequest): Replied {
  return (isInjected(request.raw) ? request : request.raw) as Replied
}

/** A connection on which the reply of a request may be kept. */
export function keepReplies (socket: Socket & Replied): void {
  socket[kReply] = null
}

/** Forgets the reply that a connection keeps, once it has been given. Returns whether it has been since it was asked last. */
export function forgetReply (socket: Socket & Replied): boolean {
  if (socket[kReply]?.raw.writableFinished !== true) return false
  socket[kReply] = null
  return true
}

/** As `replyOf`, of a request of Fastify's, which may have been injected. */
export function replyTo (request: FastifyRequest & Replied): FastifyReply | undefined {
  return request[kReply] ?? replyOf(request.raw)
}

/** The reply that answers a request; `undefined` where the request has not come to the application, or has its answer. */
export function replyOf (raw: IncomingMessage & Replied): FastifyReply | undefined {
  const known = sinkOf(raw)?.reply ?? raw[kReply]
  if (known != null || http2Request(raw) !== undefined) return known ?? undefined
  const reply = (raw.socket as Socket & Replied | undefined)?.[kReply]
  return reply?.request.raw === raw ? reply : undefined
}
