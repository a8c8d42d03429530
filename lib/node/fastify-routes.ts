import diagnosticsChannel from 'node:diagnostics_channel'
import type { FastifyInstance, RouteOptions } from 'fastify'

/*
 * The routes of an application, and their options. No hook reports routes that were added before a plugin was loaded, and Fastify
 * only loads a plugin when the application starts, or when it is awaited. So from the moment this package is loaded, it learns of
 * new applications by a documented channel. Tested with Fastify 5.12.
 */

/** A route with the instance that it was added to. Other `onRoute` hooks may still change its options. */
export interface KnownRoute {
  readonly instance: FastifyInstance
  readonly options: RouteOptions
}

const routesByApplication = new WeakMap<FastifyInstance, KnownRoute[]>()

/** Published when an application is made, before a route can be added. */
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

/** The application that an instance is a part of: each instance inherits from the one in which it was registered. */
export function rootOf (instance: FastifyInstance): FastifyInstance {
  const parent = Object.getPrototypeOf(instance) as FastifyInstance | null
  return parent === null || parent === Object.prototype ? instance : rootOf(parent)
}

/** Whether an instance is the other one, or was registered in it. */
export function isWithin (instance: FastifyInstance, other: FastifyInstance): boolean {
  return instance === other || Object.prototype.isPrototypeOf.call(other, instance)
}

/** The routes of an application, also those still to come. `hasUnknown`: some were added before this package was loaded. */
export function routesOf (root: FastifyInstance): { readonly known: KnownRoute[], readonly hasUnknown: boolean } {
  const known = routesByApplication.get(root)
  return known === undefined ? { hasUnknown: hasRoutes(root), known: watchRoutes(root) } : { known, hasUnknown: false }
}

/** Fastify prints this if there is no route. */
const NO_ROUTES = '(empty tree)'

function hasRoutes (app: FastifyInstance): boolean {
  return app.printRoutes() !== NO_ROUTES
}
