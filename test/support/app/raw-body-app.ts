import type { Test } from 'tap'
import type { FastifyRequest } from 'fastify'
import type { ReadGuardOptions } from '../../../lib/index.js'
import { guardedApp, type GuardedApp } from './guarded-app.js'
import { head } from '../client/raw-client.js'

/** An application that hands every body to its handler unread; the handler's result is the answer. */
export async function rawApp (t: Test, handle: (request: FastifyRequest) => unknown, guard: ReadGuardOptions = {}): Promise<GuardedApp> {
  const guarded = await guardedApp({
    guard: { resolution: 50, ...guard },
    routes: (app) => {
      app.addContentTypeParser('*', (_request, _payload, done) => done(null))
      app.all('/', async (request) => handle(request))
    }
  })
  t.teardown(() => guarded.app.close())
  return guarded
}

/** The head of a body that no parser takes. */
export function post (headers: Readonly<Record<string, string | number>>): string {
  return head('POST', '/', { 'Content-Type': 'application/octet-stream', Connection: 'close', ...headers })
}
