import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isInjected } from './fastify.js'
import { isWithin } from './fastify-routes.js'
import { http2Request } from './request-kind.js'
import { sinkOf } from './request-hooks.js'

/*
 * How the guard learns of a reply when Fastify makes it, and finds it again. Tested with Fastify 5.12 and 6.0.0-alpha.4.
 */

function ofSymbol (holder: object, wanted: string): unknown {
  const key = Object.getOwnPropertySymbols(holder).find(({ description }) => description === wanted)
  return key === undefined ? undefined : (holder as Record<symbol, unknown>)[key]
}

/** The description of the symbol by which Fastify keeps the object that writes its own log lines; since 5.12, `logController`. */
const LOG_CONTROLLER = 'fastify.logController'

interface LogController {
  incomingRequest?: (this: LogController, request: FastifyRequest, reply: FastifyReply, metadata?: object) => void
}

interface Watcher {
  readonly root: FastifyInstance
  readonly onMade: (reply: FastifyReply) => void
  isClosed: boolean
}

/** Applications may share a controller, at the same time or one after the other, so each controller is overridden once. */
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
 * Calls back for every reply that an application makes, before all hooks: that is when Fastify writes "incoming request", or
 * would. A hook that only does this costs several times as much.
 *
 * @returns whether this version of Fastify allows it
 */
export function onReplyMade (root: FastifyInstance, onMade: (reply: FastifyReply) => void): boolean {
  const controller = ofSymbol(root, LOG_CONTROLLER) as LogController | undefined
  const log = controller?.incomingRequest
  if (controller === undefined || log === undefined) return false
  const watchers = watchersOn(controller, log)
  const watcher = { root, onMade, isClosed: false }
  // A closing application may still get requests, on open connections: its watcher is dropped when the next one is added.
  watchers.splice(0, watchers.length, ...watchers.filter(({ isClosed }) => !isClosed), watcher)
  root.addHook('onClose', (_app, done) => {
    watcher.isClosed = true
    done()
  })
  return true
}

/** Whether the hooks of a route will run for a new request. A request whose URL Fastify refuses has no parameters. */
export function runsHooks ({ params }: FastifyRequest): boolean {
  return params !== null
}

const kReply = Symbol('fastify-read-guard.reply')

interface Replied {
  [kReply]?: FastifyReply | null
}

/**
 * Keeps the reply for its request: Fastify only knows the request of a reply. Over HTTP/1 the connection keeps the reply whose turn
 * it is, which costs less than a property on every request. If there is a body, its read has the reply.
 */
export function rememberReply (reply: FastifyReply): void {
  const { raw: response, request } = reply
  const { raw } = request
  const socket = raw.httpVersionMajor === 2 ? undefined : response.socket as Socket & Replied | null | undefined
  const holder: Replied = socket?.[kReply] === undefined ? holderWithoutSocket(request) : socket
  holder[kReply] = reply
}

/** An injected raw request outlives its reply. Keeping the reply on it would give the garbage collector more to do. */
function holderWithoutSocket (request: FastifyRequest): Replied {
  return (isInjected(request.raw) ? request : request.raw) as Replied
}

/** Lets a connection keep the reply of a request. */
export function keepReplies (socket: Socket & Replied): void {
  socket[kReply] = null
}

/** Forgets the reply that a connection keeps, once it has been sent. Returns whether it has forgotten one. */
export function forgetReply (socket: Socket & Replied): boolean {
  if (socket[kReply]?.raw.writableFinished !== true) return false
  socket[kReply] = null
  return true
}

/** Like `replyOf()`, for a request of Fastify's, which may have been injected. */
export function replyTo (request: FastifyRequest & Replied): FastifyReply | undefined {
  return request[kReply] ?? replyOf(request.raw)
}

/** The reply that answers a request; `undefined` if the request hasn't reached the application, or has its answer. */
export function replyOf (raw: IncomingMessage & Replied): FastifyReply | undefined {
  const known = sinkOf(raw)?.reply ?? raw[kReply]
  if (known != null || http2Request(raw) !== undefined) return known ?? undefined
  const reply = (raw.socket as Socket & Replied | undefined)?.[kReply]
  return reply?.request.raw === raw ? reply : undefined
}
