import diagnosticsChannel from 'node:diagnostics_channel'
import type { Server } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import { bodyReadOf } from './body/body-read.js'
import { readRawBody, type RawBodyOptions } from './body/read-raw-body.js'
import { requestReadGuard } from './body/request-read-guard.js'
import { Heartbeat } from './clock/heartbeat.js'
import type { GuardContext } from './guard.js'
import { watchUpgrades } from './http1/upgrade.js'
import { readInjectedBody } from './inject/injected-source.js'
import type { ReadGuardOptions } from './limits/options.js'
import { resolveOptions, resolveRoute, unguarded, type RoutePolicy } from './limits/resolve.js'
import { hasRoutes, isInjectedBody } from './node/fastify.js'
import { OptionsInvalidError, type Violation } from './record/errors.js'
import { Journal } from './record/journal.js'
import { Recorder } from './record/recorder.js'
import { guardServer, type RequestListener } from './server-guard.js'
import { statsOf } from './stats.js'

const kPolicy = Symbol('fastify-read-guard.policy')

interface RouteConfig {
  readGuard?: unknown
  [kPolicy]?: RoutePolicy | false | undefined
}

/** Fastify does not say which `bodyLimit` was passed: a parser may have a smaller one of its own. */
function passedLimit ({ raw, routeOptions: { bodyLimit } }: FastifyRequest): number | undefined {
  const read = bodyReadOf(raw)
  const decoded = raw.headers['content-encoding'] !== undefined
  return decoded || Math.max(read?.expected ?? 0, read?.received ?? 0) > bodyLimit ? bodyLimit : undefined
}

/** Fastify's own refusals of a body, which keep their code towards the client, by what they are recorded as. */
const refusals: Readonly<Record<string, (request: FastifyRequest) => Violation>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: (request) => ({ code: 'FST_READ_BODY_TOO_LARGE', limit: passedLimit(request) }),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () => ({ code: 'FST_READ_LENGTH_MISMATCH' })
}

/** Published when a server is about to listen: before it takes a connection, and while its settings are still taken up. */
const LISTENING = 'tracing:net.server.listen:asyncStart'

const guardedServers = new WeakSet<Server>()

/** Watches the application's servers, also those that Fastify starts behind `app.server` for the other addresses of `localhost`. */
function guardServers (app: FastifyInstance, guard: GuardContext): void {
  guardedServers.add(app.server)
  const handlers = guardServer(guard, app.server)
  // Fastify hands what the other servers get of these to the one that the application knows.
  watchUpgrades(guard, app.server)
  const onListening = (message: unknown): void => {
    const { server } = message as { server: Server } // of any kind, but only an HTTP server has our handlers
    const isOurs = server !== app.server && server.listeners('request').some(listener => handlers.includes(listener as RequestListener))
    if (isOurs) guardServer(guard, server)
  }
  diagnosticsChannel.subscribe(LISTENING, onListening)
  app.addHook('preClose', (done) => {
    guard.closing = true
    done()
  })
  app.addHook('onClose', (_app, done) => {
    diagnosticsChannel.unsubscribe(LISTENING, onListening)
    guard.journal.close()
    done()
  })
}

/** What it throws is told to whoever registers it, because it is async: of any other plugin it would end the process. */
// eslint-disable-next-line @typescript-eslint/require-await
export async function readGuard (app: FastifyInstance, options: ReadGuardOptions): Promise<void> {
  if (guardedServers.has(app.server)) throw new OptionsInvalidError('fastify-read-guard', 'can be registered once, it guards the whole server', 'a second registration')
  const resolved = resolveOptions(options)
  const { policy } = resolved
  const journal = new Journal(app.log, resolved)
  const guard: GuardContext = {
    options: resolved,
    heartbeat: new Heartbeat(resolved.resolution),
    recorder: new Recorder(journal, resolved.abortStatusCode),
    journal,
    lingered: 0,
    closing: false
  }
  const since = new Date().toISOString()
  let routesDiffer = hasRoutes(app)

  function policyOf (request: FastifyRequest): RoutePolicy | false {
    if (!routesDiffer) return policy
    const { method, config, url } = request.routeOptions as { method: unknown, config?: RouteConfig, url?: string } // of a 404 handler there may be none
    if (config?.readGuard === undefined) return policy
    // Of a route that was added before, while nobody waited for this plugin, it is read when it is first called.
    config[kPolicy] ??= resolveRoute(config.readGuard, policy, `${String(method)} ${url}`)
    return config[kPolicy]
  }

  function onRequest (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
    const { raw } = request
    const read = bodyReadOf(raw) ?? (isInjectedBody(raw) ? readInjectedBody(guard, raw, reply.raw) : undefined)
    if (read === undefined) return done()
    done(read.onRouted(reply, policyOf(request)))
  }

  guardServers(app, guard)
  app.decorate('readGuard', { stats: () => statsOf(guard, since) })
  app.decorateRequest('readGuard', {
    getter (this: FastifyRequest) {
      return requestReadGuard(bodyReadOf(this.raw), policyOf(this) || unguarded)
    }
  })
  function ownRawBody (this: FastifyRequest, rawBodyOptions?: RawBodyOptions): Promise<Buffer | string> {
    return readRawBody(this.raw, bodyReadOf(this.raw), rawBodyOptions)
  }
  app.decorateRequest('readRawBody', ownRawBody as FastifyRequest['readRawBody']) // its result depends on `encoding`, which an overload alone can say
  app.addHook('onRoute', (route) => {
    const config = route.config as RouteConfig | undefined
    if (config?.readGuard === undefined) return
    routesDiffer = true
    const merged: RouteConfig = { ...config, [kPolicy]: resolveRoute(config.readGuard, policy, `${String(route.method)} ${route.url}`) }
    route.config = merged as NonNullable<typeof route.config>
  })
  app.addHook('onRequest', onRequest)
  app.addHook('onError', (request, _reply, error, done) => {
    const violation = refusals[error.code]
    if (violation !== undefined) bodyReadOf(request.raw)?.refuse(violation(request))
    done()
  })
}
