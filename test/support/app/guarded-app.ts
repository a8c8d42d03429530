import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type { Test } from 'tap'
import readGuard, { type AbortRecord, type ReadGuardOptions } from '../../../lib/index.js'
import { mustFitItsType } from '../oracle/record-types.js'
import { until } from '../oracle/until.js'
import { serverKind, type Protocol, type ServerKind } from './transport.js'

/** A line of the log, parsed. */
export type LogLine = Record<string, unknown> & { level: number, msg: string, abort?: AbortRecord, err?: { code?: string, message: string } }

export interface GuardedApp {
  readonly app: FastifyInstance
  readonly port: number
  /** Records in the order they were written. */
  readonly records: AbortRecord[]
  readonly log: LogLine[]
  /** What `onError` was called with. */
  readonly onError: Error[]
  /** What the application's error handler was called with. */
  readonly handled: Error[]
  /** Resolves with the records once there are at least so many. */
  recorded: (count?: number) => Promise<AbortRecord[]>
}

/** @typeParam Facts what the routes tell of themselves beside */
export interface GuardedAppOptions<Facts = void> {
  /** The application is closed with this test; without one the caller closes it. */
  readonly t?: Test
  /** Without one, what the suite speaks: HTTP or HTTPS. */
  readonly protocol?: Protocol
  readonly guard?: ReadGuardOptions
  readonly fastify?: FastifyServerOptions & ServerKind
  /** What they return becomes part of the application. */
  readonly routes?: (app: FastifyInstance) => Facts | Promise<Facts>
  /** Called before the guard is registered. */
  readonly before?: (app: FastifyInstance) => void
  readonly listen?: { host?: string, port?: number, path?: string }
}

export type GuardedAppWith<Facts> = Facts extends object ? GuardedApp & Facts : GuardedApp

/** Lines of warning and error level that are not abort records. */
export function warnings (log: readonly LogLine[]): LogLine[] {
  return log.filter(line => line.level >= 40 && line.abort === undefined)
}

/** Warnings that are not asked for: those of a setting beside the guard are. */
export function noise (log: readonly LogLine[]): LogLine[] {
  return warnings(log).filter(({ msg }) => !msg.includes(' stands beside fastify-read-guard: '))
}

/** A listening application under guard, with everything it says kept. */
export async function guardedApp<Facts = void> (options: GuardedAppOptions<Facts> = {}): Promise<GuardedAppWith<Facts>> {
  const records: AbortRecord[] = []
  const log: LogLine[] = []
  const onError: Error[] = []
  const handled: Error[] = []
  const stream = new Writable({
    write (line: Buffer, _encoding, done) {
      log.push(JSON.parse(line.toString()) as LogLine)
      done()
    }
  })
  const server = serverKind(options.protocol, options.fastify?.http)
  // Routes may have an error handler of their own in the place of the one below.
  const app = fastify({ logger: { level: 'debug', stream }, allowErrorHandlerOverride: true, ...server, ...options.fastify } as FastifyServerOptions) as FastifyInstance
  options.t?.teardown(() => app.close())
  options.before?.(app)
  await app.register(readGuard, {
    logLimit: false,
    ...options.guard,
    onAbort: (record, request) => {
      mustFitItsType(record)
      records.push(record)
      return options.guard?.onAbort?.(record, request) // a promise of an async function
    }
  })
  app.addHook('onError', async (_request, _reply, error) => { onError.push(error) })
  app.setErrorHandler((error: Error, _request, reply) => {
    handled.push(error)
    return reply.send(error)
  })
  const facts = await options.routes?.(app)
  const { listen = {} } = options
  await app.listen(listen.path === undefined ? { port: 0, host: '127.0.0.1', ...listen } : listen)
  const { port } = app.server.address() as AddressInfo
  const guarded: GuardedApp = {
    app,
    port,
    records,
    log,
    onError,
    handled,
    recorded: async (count = 1) => {
      await until(() => records.length >= count, `${count} records, got ${records.length}`)
      return records
    }
  }
  return { ...guarded, ...facts } as GuardedAppWith<Facts> // which the compiler does not see of a conditional type
}
