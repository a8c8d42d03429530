import diagnosticsChannel from 'node:diagnostics_channel'
import type { FastifyInstance, RouteOptions } from 'fastify'

/*
 * What routes an application has, and what they say. No hook tells of routes that were added before a plugin was loaded:
 * Fastify loads it when the application starts, or when it is waited for. So the applications themselves are told of, by
 * a documented channel, from when this package is loaded. Tested with Fastify 5.12 and 6.0.0-alpha.4.
 */

/** A route with the instance that it was added to. Other `onRoute` hooks may still change its options. */
export interface KnownRoute {
  readonly instance: FastifyInstance
  readonly options: RouteOptions
}

const routesByApplication = new WeakMap<FastifyInstance, KnownRoute[]>()

/** Published when an application is made, before anybody can add a route. */
const INITIALIZATION = 'fastify.initialization'

function watchRoutes (root: FastifyInstance): KnownRoute[] {
  const routes: KnownRoute[] = []
  routesByApplication.set(root, routes)
  root.addHook('onRoute', function (this: FastifyInstance, options) {
    routes.push({ instance: this, options })
  })
  return routes
}

diagnosticsChannel.subscribe(INITIALIZATION, (message) => {
  watchRoutes((message as { fastify: FastifyInstance }).fastify) // what this channel tells
})

/** The application that an instance is a part of: each one inherits from that in which it was registered. */
export function rootOf (instance: FastifyInstance): FastifyInstance {
  const parent = Object.getPrototypeOf(instance) as FastifyInstance | null
  return parent === null || parent === Object.prototype ? instance : rootOf(parent)
}

/** Whether an instance is the other one, or was registered in it. */
export function isWithin (instance: FastifyInstance, other: FastifyInstance): boolean {
  return instance === other || Object.prototype.isPrototypeOf.call(other, instance)
}

/** The routes of an application, also those that are still to come; `undefined` of those that came before this package was loaded. */
export function routesOf (root: FastifyInstance): { readonly known: KnownRoute[], readonly hasUnknown: boolean } {
  const known = routesByApplication.get(root)
  return known === undefined ? { hasUnknown: hasRoutes(root), known: watchRoutes(root) } : { known, hasUnknown: false }
}

/** Printed where there is no route. */
const NO_ROUTES = '(empty tree)'

function hasRoutes (app: FastifyInstance): boolean {
  return app.printRoutes() !== NO_ROUTES
}
