import type { Completed, Incoming } from '../input/request-line.js'
import { QuantileSketch } from './quantile-sketch.js'
import { routePattern, type RoutePattern } from './route-pattern.js'

/** How many requests without an end are remembered; past that the oldest is forgotten. */
const mostPending = 8192
/** How many paths are counted apart until a record says which route they belong to. */
const mostPaths = 1024
const longestPath = 512

/** The completed requests of a route. */
export class RouteRequests {
  count = 0
  /** Requests that may be of this route as well: there were too many paths when the first record of it came. */
  missed = 0
  /** Milliseconds that the requests took which were answered with a status below 400. */
  readonly succeeded = new QuantileSketch()
  /** The route's, once it is known. */
  home: RouteRequests | undefined

  add ({ responseTime, statusCode }: Completed): void {
    this.count++
    if (statusCode >= 100 && statusCode < 400) this.succeeded.add(responseTime)
  }

  merge (other: RouteRequests): void {
    this.count += other.count
    this.succeeded.merge(other.succeeded)
  }
}

interface KnownRoute {
  readonly pattern: RoutePattern
  readonly methods: Set<string | undefined>
  readonly requests: RouteRequests
}

/**
 * Counts the requests that the log has lines about, by the routes that records name, because those lines have only a path. A
 * path without a route is kept until a record of its route comes.
 */
export class RequestTally {
  /** Completed requests. */
  count = 0
  first = Infinity
  last = -Infinity
  readonly #routes = new Map<string, KnownRoute>()
  /** Those that a path may belong to, the most likely first. */
  #ranked: KnownRoute[] = []
  readonly #paths = new Map<string, RouteRequests>()
  /** Where a request is counted that began, by its key. */
  readonly #pending = new Map<number, RouteRequests>()
  /** Requests whose path was not kept. */
  readonly #others = new RouteRequests()

  incoming ({ id, method, url }: Incoming): void {
    if (id === undefined || url === undefined) return
    this.#pending.set(id, this.#placeOf(method, url))
    if (this.#pending.size <= mostPending) return
    const { value: oldest } = this.#pending.keys().next()
    if (oldest !== undefined) this.#pending.delete(oldest)
  }

  completed (request: Completed): void {
    const { id, method, url, time } = request
    this.count++
    if (time !== undefined) {
      this.first = Math.min(this.first, time)
      this.last = Math.max(this.last, time)
    }
    const place = url !== undefined ? this.#placeOf(method, url) : id !== undefined ? this.#pending.get(id) : undefined
    if (id !== undefined) this.#pending.delete(id)
    const { home } = place ?? {}
    const counted = home ?? place ?? this.#others
    counted.add(request)
  }

  /** A record names a route: the counts of its paths become the route's. */
  know (route: string, method: string | undefined): void {
    const known = this.#routes.get(route)
    if (known?.methods.has(method) === true) return
    const added = known ?? { pattern: routePattern(route), methods: new Set(), requests: new RouteRequests() }
    added.methods.add(method)
    added.requests.missed += this.#others.count
    this.#routes.set(route, added)
    this.#ranked = [...this.#routes.values()].sort((a, b) => a.pattern.rank < b.pattern.rank ? -1 : 1)
    for (const [key, requests] of this.#paths) {
      const [pathMethod, path = ''] = key.split(' ')
      if (!belongs(added, pathMethod, path)) continue
      added.requests.merge(requests)
      requests.home = added.requests
      this.#paths.delete(key)
    }
  }

  of (route: string): RouteRequests | undefined {
    return this.#routes.get(route)?.requests
  }

  /** Completed requests of the routes that records name. */
  get ofKnownRoutes (): number {
    return [...this.#routes.values()].reduce((sum, { requests }) => sum + requests.count, 0)
  }

  #placeOf (method: string | undefined, url: string): RouteRequests {
    const query = url.indexOf('?')
    const path = (query === -1 ? url : url.slice(0, query)).slice(0, longestPath)
    for (const route of this.#ranked) if (belongs(route, method, path)) return route.requests
    const key = `${method ?? ''} ${path}`
    const known = this.#paths.get(key)
    if (known !== undefined) return known
    if (this.#paths.size >= mostPaths) return this.#others
    const requests = new RouteRequests()
    this.#paths.set(Buffer.from(key).toString(), requests) // a copy: the key is a piece of a whole chunk, and would hold on to it
    return requests
  }
}

function belongs ({ pattern, methods }: KnownRoute, method: string | undefined, path: string): boolean {
  return (methods.has(method) || method === undefined || method === '') && pattern.matches(path)
}
