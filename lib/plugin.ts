import diagnosticsChannel from 'node:diagnostics_channel'
import type { IncomingMessage, Server } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { bodyReadOf, type BodyRead } from './body/body-read.js'
import { requestReadGuard } from './body/exchange-view.js'
import type { RawBodyOptions } from './body/raw-body-options.js'
import { readRawBody } from './body/read-raw-body.js'
import { Heartbeat } from './clock/heartbeat.js'
import { dispatch } from './dispatch.js'
import type { GuardContext } from './guard.js'
import type { ReadGuardOptions } from './limits/options.js'
import { resolveOptions, unguarded } from './limits/resolve.js'
import { RoutePolicies } from './limits/route-policies.js'
import { settingsBeside } from './limits/settings-beside.js'
import { hasInjectedStream, headersTimeoutSetter } from './node/fastify.js'
import { onReplyMade, rememberReply, replyTo, runsHooks } from './node/fastify-replies.js'
import { hasNothingToJudge, readInjectedBody } from './inject/injected-source.js'
import { asksForCertificate } from './node/server-internals.js'
import { rootOf } from './node/fastify-routes.js'
import { hasBody } from './node/request-kind.js'
import { onListenerAdded, type RequestListener } from './node/server-hooks.js'
import { connectionOf } from './http1/connection.js'
import { watchUnsent } from './node/response-hooks.js'
import { keepContext } from './response/exchange.js'
import { OptionsInvalidError, type Violation } from './record/errors.js'
import { Journal } from './record/journal.js'
import { offerRecords } from './record/record-source.js'
import { Recorder } from './record/recorder.js'
import { ServerGuard, type ServerGuardOptions } from './server-guard.js'
import { statsOf } from './stats.js'

/** Fastify does not say which `bodyLimit` was passed: a parser may have a smaller one of its own. */
function passedLimit ({ raw, routeOptions: { bodyLimit } }: FastifyRequest): number | undefined {
  const read = bodyReadOf(raw)
  const decoded = raw.headers['content-encoding'] !== undefined
  return decoded || Math.max(read?.expected ?? 0, read?.received ?? 0) > bodyLimit ? bodyLimit : undefined
}

/** How Fastify's own refusals of a body are recorded. The client still gets Fastify's code. */
const refusals: Readonly<Record<string, (request: FastifyRequest) => Violation>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: (request) => ({ code: 'FST_READ_BODY_TOO_LARGE', limit: passedLimit(request) }),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () => ({ code: 'FST_READ_LENGTH_MISMATCH' })
}

/** Published when a server is about to listen: before it accepts a connection, and while its settings can still be changed. */
const LISTENING = 'tracing:net.server.listen:asyncStart'

/** Whether the guard doesn't know the connection of a request: another server has it, or there is none (`inject()`). */
function hasForeignConnection ({ httpVersionMajor, socket }: IncomingMessage): boolean {
  return httpVersionMajor === 1 && connectionOf(socket) === undefined
}

const guardedApplications = new WeakSet<FastifyInstance>()
const serverGuards = new WeakMap<Server, ServerGuard>()

/**
 * Guards the server of an application from the moment its requests come to this application: with `@fastify/restartable`, a new
 * application takes over the server of the previous one.
 */
function guardServer (server: Server, guard: GuardContext, routing: RequestListener, headersTimeoutBy: ServerGuardOptions['headersTimeoutBy']): () => void {
  const predecessor = serverGuards.get(server)
  let isGuarded = false
  const begin = (): void => {
    if (isGuarded) return
    isGuarded = true
    predecessor?.detach()
    const own = new ServerGuard(guard, server, routing, { isMain: true, headersTimeoutBy })
    serverGuards.set(server, own)
    predecessor?.handOver(own)
  }
  if (predecessor === undefined || server.listeners('request').includes(routing)) begin()
  return onListenerAdded(server, 'request', listener => listener === routing, begin)
}

/** Turns of the event loop that pass at most until the end of a connection is recorded; over HTTP/2 it takes several. */
const LAST_TURNS = 10

/** The last connections may have closed in this very turn. Their records are written before the process may end. */
function afterLastReads (guard: GuardContext, act: () => void, turns = LAST_TURNS): void {
  setImmediate(() => {
    if (turns > 1 && guard.heartbeat.isWatching) afterLastReads(guard, act, turns - 1)
    else act()
  })
}

/** Watches all servers of the application, also those that Fastify starts for the other addresses of `localhost`. */
function guardServers (root: FastifyInstance, guard: GuardContext): void {
  // Fastify listens to its servers with this very function.
  const routing = root.routing // eslint-disable-line @typescript-eslint/unbound-method -- it has no `this`
  const headersTimeoutBy = headersTimeoutSetter(root)
  const detach = guardServer(root.server, guard, routing, headersTimeoutBy)
  const guardOther = (server: Server): ServerGuard => new ServerGuard(guard, server, routing, { isMain: false, headersTimeoutBy })
  const onListening = (message: unknown): void => {
    const { server } = message as { server: Server } // of any kind, but only an HTTP server of ours has this listener
    if (server !== root.server && server.listeners('request').includes(routing)) guardOther(server)
  }
  diagnosticsChannel.subscribe(LISTENING, onListening)
  const unwatch = watchUnsent((response, socket) => {
    const connection = connectionOf(socket)
    if (connection?.guard === guard) connection.onUnsent(response)
  })
  root.addHook('preClose', (done) => {
    guard.closing = true
    done()
  })
  root.addHook('onClose', (_app, done) => {
    afterLastReads(guard, () => {
      detach()
      diagnosticsChannel.unsubscribe(LISTENING, onListening)
      unwatch()
      guard.journal.close()
      done()
    })
  })
}

/** It is async so that its errors reject `register()`: an error thrown by a synchronous plugin would end the process. */
// eslint-disable-next-line @typescript-eslint/require-await
export async function readGuard (app: FastifyInstance, options: ReadGuardOptions): Promise<void> {
  const root = rootOf(app)
  if (guardedApplications.has(root)) throw new OptionsInvalidError('fastify-read-guard', 'can be registered once, it guards the whole server', 'a second registration')
  guardedApplications.add(root)
  const resolved = resolveOptions(options, { requestCert: asksForCertificate(root.server) })
  const since = new Date().toISOString()
  const policies = new RoutePolicies(app, resolved.policy)
  const journal = new Journal(app.log, resolved)
  const guard: GuardContext = {
    options: resolved,
    heartbeat: new Heartbeat(resolved.resolution),
    recorder: new Recorder(journal, resolved.abortStatusCode),
    journal,
    ownHandlers: undefined,
    policyOf: request => policies.of(request),
    mostBytes: () => policies.mostBytes,
    lingered: 0,
    closing: false,
    isInFront: false,
    adoptUnseen: undefined,
    expecting: undefined,
    passing: undefined,
    servers: new WeakSet(),
    successor: undefined
  }
  /** Admits a request that came from no server, or that has bypassed the guard. Returns whether it goes on. */
  function admitUnseen ({ request, raw: response }: FastifyReply): boolean {
    const { raw } = request
    const isSeen = guard.isInFront && !hasBody(raw) && !hasInjectedStream(raw) && !hasForeignConnection(raw)
    if (isSeen || hasNothingToJudge(raw, policies.of(request))) return true
    guard.adoptUnseen?.(raw)
    return dispatch(guard, raw, response, { isLate: true })
  }

  /** A request has come to the application. */
  function onReply (reply: FastifyReply): void {
    const { request } = reply
    const { raw } = request
    let read = bodyReadOf(raw)
    let goesOn = true
    if (read === undefined && guard.passing !== raw) {
      goesOn = admitUnseen(reply)
      read = bodyReadOf(raw)
    }
    if (goesOn && read !== undefined && runsHooks(request)) read.onRouted(reply, policies.of(request))
    else rememberReply(reply)
    if (!goesOn) reply.hijack()
  }

  /** The read of a request's body. It begins now if there was nothing to judge until now. */
  function readOf (request: FastifyRequest): BodyRead | undefined {
    const { raw } = request
    const known = bodyReadOf(raw)
    const reply = replyTo(request)
    if (known !== undefined || reply === undefined || !hasNothingToJudge(raw, policies.of(request))) return known
    const read = readInjectedBody(guard, raw, reply.raw)
    read.onRouted(reply, policies.of(request))
    return read
  }

  guardServers(root, guard)
  app.decorate('readGuard', offerRecords({ stats: () => statsOf(guard, since) }, { channelName: journal.channelName, root }))
  app.decorateRequest('readGuard', {
    getter (this: FastifyRequest) {
      const policy = policies.of(this)
      const read = readOf(this)
      read?.setRoute(policy)
      return requestReadGuard(this, read, policy || unguarded)
    }
  })
  function ownRawBody (this: FastifyRequest, rawBodyOptions?: RawBodyOptions): Promise<Buffer | string> {
    return readRawBody(this.raw, readOf(this), rawBodyOptions)
  }
  app.decorateRequest('readRawBody', ownRawBody as FastifyRequest['readRawBody']) // its result depends on `encoding`, which only an overload can express
  // The server's limits apply to all of its routes, whichever context the guard is registered in.
  root.addHook('onReady', (done) => {
    policies.check()
    for (const message of settingsBeside(root.initialConfig)) journal.warn(message)
    done()
  })
  root.addHook('onListen', (done) => {
    journal.warnIfUnseen()
    done()
  })
  if (!onReplyMade(root, onReply)) {
    root.addHook('onRequest', (_request, reply, done) => {
      onReply(reply)
      done()
    })
  }
  // This hook runs after all hooks that may enter an async context. It costs every request some time, so it is added only where
  // it makes a difference.
  if (journal.tellsContext) {
    root.addHook('preHandler', ({ raw }, _reply, done) => {
      const read = bodyReadOf(raw)
      if (read === undefined) keepContext(raw)
      else read.keepContext()
      done()
    })
  }
  root.addHook('onError', (request, _reply, error, done) => {
    const violation = refusals[error.code]
    if (violation !== undefined) readOf(request)?.refuse(violation(request))
    done()
  })
}
