import type { FastifyRequest } from 'fastify'
import type { Test } from 'tap'
import type { ReadGuardOptions } from '../../../lib/index.js'
import { head } from '../client/raw-client.js'
import { guardedApp, type GuardedApp } from './guarded-app.js'

export interface UnreadApp extends GuardedApp {
  /** Resolves with the first request, when its handler has begun. */
  readonly begun: Promise<FastifyRequest>
}

/** An application that hands every body to its handler unread; the handler's result is the answer. Closed with the test. */
export function unreadApp (t: Test, handle: (request: FastifyRequest) => unknown, guard: ReadGuardOptions = {}): Promise<UnreadApp> {
  return guardedApp({
    t,
    guard: { resolution: 50, ...guard },
    routes: (app) => {
      const begun = new Promise<FastifyRequest>((resolve) => {
        app.addContentTypeParser('*', (_request, _payload, done) => done(null))
        app.all('/', async (request) => {
          resolve(request)
          return handle(request)
        })
      })
      return { begun }
    }
  })
}

/** A handler that reads a body as it comes. */
export async function countBody (request: FastifyRequest): Promise<{ received: number }> {
  return { received: (await request.readRawBody()).length }
}

/** The head of a body that no parser takes. */
export function post (headers: Readonly<Record<string, string | number>>): string {
  return head('POST', '/', { 'Content-Type': 'application/octet-stream', Connection: 'close', ...headers })
}
