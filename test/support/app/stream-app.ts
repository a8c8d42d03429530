import type { Test } from 'tap'
import type { FastifyRequest } from 'fastify'
import type { ReadGuardOptions, RequestReadGuard } from '../../../lib/index.js'
import { guardedApp, type GuardedApp } from './guarded-app.js'

export interface StreamApp extends GuardedApp {
  /** Resolves with the first request, when its handler has begun. */
  readonly begun: Promise<FastifyRequest>
}

/** An application whose handler reads a body as it comes. */
export async function streamApp (t: Test, guard: ReadGuardOptions, before: (readGuard: RequestReadGuard) => void = () => {}): Promise<StreamApp> {
  let begin: (request: FastifyRequest) => void = () => {}
  const begun = new Promise<FastifyRequest>((resolve) => { begin = resolve })
  const guarded = await guardedApp({
    guard: { resolution: 50, ...guard },
    routes: (app) => {
      app.addContentTypeParser('application/octet-stream', (_request, _payload, done) => done(null))
      app.post('/', async (request) => {
        before(request.readGuard)
        begin(request)
        return { received: (await request.readRawBody()).length }
      })
      app.get('/', async (request) => {
        begin(request)
        return {}
      })
    }
  })
  t.teardown(() => guarded.app.close())
  return { ...guarded, begun }
}
