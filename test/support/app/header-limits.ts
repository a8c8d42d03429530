import type { Test } from 'tap'
import type { ReadGuardOptions } from '../../../lib/index.js'
import { guardedApp, type GuardedApp, type GuardedAppOptions } from './guarded-app.js'

export const HEADERS_TIMEOUT = 400
export const RESOLUTION = 50

export interface HeadApp extends GuardedApp {
  /** Method and URL of every request that reached a handler. */
  readonly served: string[]
}

/** An application with small header limits and a handler that answers at once; closed with the test. */
export function headApp (t: Test, guard: ReadGuardOptions = {}, options: GuardedAppOptions = {}): Promise<HeadApp> {
  return guardedApp({
    ...options,
    t,
    guard: { headersTimeout: HEADERS_TIMEOUT, resolution: RESOLUTION, ...guard },
    routes: async (app) => {
      const served: string[] = []
      app.all('/', async (request) => {
        served.push(`${request.method} ${request.url}`)
        return { served: served.length }
      })
      await options.routes?.(app)
      return { served }
    }
  })
}
