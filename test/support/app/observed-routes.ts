import type { Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import type { ReadGuardOptions } from '../../../lib/index.js'
import { guardedApp, type GuardedApp, type GuardedAppOptions } from './guarded-app.js'

export const LIMIT = 300

const limits: ReadGuardOptions = {
  headersTimeout: LIMIT,
  bodyTimeout: LIMIT * 2,
  bodyIdleTimeout: LIMIT,
  minBodyRate: { bytesPerSecond: 1_000, gracePeriod: LIMIT * 2 },
  bodyLimit: 100,
  resolution: 50
}

function echo (app: FastifyInstance): void {
  const handler = async (request: { body: unknown }): Promise<object> => ({ body: request.body ?? null })
  app.post('/', handler)
  app.get('/', handler)
  app.post('/observed', { config: { readGuard: { mode: 'observe' } } }, handler)
  app.post('/enforced', { config: { readGuard: { mode: 'enforce' } } }, handler)
}

/** An application with small limits of every kind, a route that observes and one that enforces; closed with the test. */
export function observingApp (t: Test, guard: ReadGuardOptions, fastify: NonNullable<GuardedAppOptions['fastify']> = {}): Promise<GuardedApp> {
  return guardedApp({ t, fastify, routes: echo, guard: { ...limits, ...guard } })
}
