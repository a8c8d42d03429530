import diagnosticsChannel from 'node:diagnostics_channel'
import type { FastifyInstance, RouteOptions } from 'fastify'

/*
 * The routes of an application, and their options. No hook reports routes that were added before a plugin was loaded, and Fastify
 * only loads a plugin when the application starts, or when it is awaited. So from the moment this package is loaded, it learns of
 * new applications by a documented channel. Tested with Fastify 5.12 and 6.0.0-alpha.4.
 */

/** A route with the instance that it was added to. Other `onRoute` hooks may still change its options. */
export interface KnownRoute {
  readonly instance: FastifyInstance
  readonly options: RouteOptions
}

const routesByApplication = new WeakMap<FastifyInstance, KnownRoute[]>()

/** Published when an application is made, before a route can be added. */
const INITIALIZATION = 'fastify.initialization'

/** @param instance of the application: those that it was registered in have hooks of their own, which later ones of theirs inherit */
function watchRoutes (instance: FastifyInstance): KnownRoute[] {
  const routes: KnownRoute[] = []
  routesByApplication.set(rootOf(instance), routes)
  const onRoute = function (this: FastifyInstance, options: RouteOptions): void {
    routes.push({ instance: this, options })
  }
  for (let watched: FastifyInstance | undefined = instance; watched !== undefined; watched = parentOf(watched)) watched.addHook('onRoute', onRoute)
  return routes
}

diagnosticsChannel.subscribe(INITIALIZATION, (message) => {
  watchRoutes((message as { fastify: FastifyInstance }).fastify) // what this channel tells
})

/** The instance in which another one was registered: it inherits from that. */
function parentOf (instance: FastifyInstance): FastifyInstance | undefined {
  const parent = Object.getPrototypeOf(instance) as FastifyInstance | null
  return parent === null || parent === Object.prototype ? undefined : parent
}

/** The application that an instance is a part of. */
export function rootOf (instance: FastifyInstance): FastifyInstance {
  const parent = parentOf(instance)
  return parent === undefined ? instance : rootOf(parent)
}

/** Whether an instance is the other one, or was registered in it. */
export function isWithin (instance: FastifyInstance, other: FastifyInstance): boolean {
  return instance === other || Object.prototype.isPrototypeOf.call(other, instance)
}

/**
 * The routes of an application, also those still to come. `hasUnknown`: some were added before this package was loaded.
 *
 * @param instance of the application, in which a plugin is being registered
 */
export function routesOf (instance: FastifyInstance): { readonly known: KnownRoute[], readonly hasUnknown: boolean } {
  const root = rootOf(instance)
  const known = routesByApplication.get(root)
  return known === undefined ? { hasUnknown: hasRoutes(root), known: watchRoutes(instance) } : { known, hasUnknown: false }
}

/** Fastify prints this if there is no route. */
const NO_ROUTES = '(empty tree)'

function hasRoutes (app: FastifyInstance): boolean {
  return app.printRoutes() !== NO_ROUTES
}
