import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from 'fastify'
import { isWithin, routesOf, type KnownRoute } from '../node/fastify-routes.js'
import { OptionsInvalidError } from '../record/errors.js'
import { refuseMisplaced } from './misplaced.js'
import { resolveRoute, type RoutePolicy } from './resolve.js'
import { shown } from './rules.js'

const kPolicy = Symbol('fastify-read-guard.policy')

interface RouteConfig {
  readonly readGuard?: unknown
  [kPolicy]?: RoutePolicy | false | undefined
}

/** The limits of an application's routes. They are checked when the application starts: no hook changes them after that. */
export class RoutePolicies {
  readonly #policy: RoutePolicy
  readonly #scope: FastifyInstance
  readonly #log: FastifyBaseLogger
  readonly #known: KnownRoute[]
  readonly #hasUnknown: boolean
  /** Whether any route may have limits of its own. */
  #differ = true
  /** The largest `bodyLimit` of any route. */
  #mostBytes = Infinity

  /** @param scope the instance that the guard is registered in */
  constructor (scope: FastifyInstance, policy: RoutePolicy) {
    const { known, hasUnknown } = routesOf(scope)
    this.#policy = policy
    this.#scope = scope
    this.#log = scope.log
    this.#known = known
    this.#hasUnknown = hasUnknown
  }

  /** @throws {OptionsInvalidError} for an invalid option of a route, one in the wrong place, and one that would have no effect */
  check (): void {
    this.#differ = this.#hasUnknown
    this.#mostBytes = this.#hasUnknown ? Infinity : enforcedBytes(this.#policy)
    for (const route of this.#known.splice(0)) this.#checkRoute(route)
    if (!this.#hasUnknown) return
    this.#log.warn('Routes were added before fastify-read-guard was loaded: their config.readGuard is checked only when they are first called. Import the package before you create the application')
  }

  /** The largest `bodyLimit`: no body may be larger, whatever its route. */
  get mostBytes (): number {
    return this.#mostBytes
  }

  /** The limits of a request's route. */
  of (request: FastifyRequest): RoutePolicy | false {
    if (!this.#differ) return this.#policy
    const { config, method, url } = request.routeOptions as { config?: RouteConfig, method: unknown, url?: string } // a 404 handler may have none
    if (config?.readGuard === undefined) return this.#policy
    config[kPolicy] ??= this.#resolve(config.readGuard, labelOf(method, url))
    return config[kPolicy]
  }

  #checkRoute ({ instance, options }: KnownRoute): void {
    const label = labelOf(options.method, options.url)
    const config = (options.config ?? {}) as RouteConfig
    refuseMisplaced(options, config, label)
    if (config.readGuard === undefined) return
    if (!isWithin(instance, this.#scope)) throw new OptionsInvalidError(`${label}: config.readGuard`, 'has no effect: fastify-read-guard is registered in another context; register it in the root of the application, or in a context that contains this route (with fastify-plugin)', shown(config.readGuard))
    this.#mostBytes = Math.max(this.#mostBytes, enforcedBytes(resolveRoute(config.readGuard, this.#policy, label)))
    this.#differ = true
  }

  #resolve (config: unknown, label: string): RoutePolicy | false {
    try {
      return resolveRoute(config, this.#policy, label)
    } catch (error) {
      // The route could not be seen before its first request.
      this.#log.error({ err: error }, 'a route has an invalid config.readGuard: the limits of the plugin apply to it')
      return this.#policy
    }
  }
}

function enforcedBytes (policy: RoutePolicy | false): number {
  if (policy === false || policy.limits.mode === 'observe' || policy.limits.bodyLimit === 0) return Infinity
  return policy.limits.bodyLimit
}

function labelOf (method: unknown, url: string | undefined): string {
  return `${String(method)} ${url}`
}
