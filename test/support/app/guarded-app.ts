import type { ServerOptions } from 'node:http'
import type { SecureServerOptions } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import readGuard, { type AbortRecord, type ReadGuardOptions } from '../../../lib/index.js'
import { delay } from '../client/raw-client.js'
import { serverKind } from './transport.js'

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

/** What Fastify has other types for: `http`, `https`, `http2`. */
export interface ServerKind {
  readonly http?: ServerOptions & { connectionsCheckingInterval?: number }
  readonly https?: SecureServerOptions
  readonly http2?: boolean
  readonly http2SessionTimeout?: number
}

export interface GuardedAppOptions {
  readonly guard?: ReadGuardOptions
  readonly fastify?: FastifyServerOptions & ServerKind
  readonly routes?: (app: FastifyInstance) => void | Promise<void>
  /** Called before the guard is registered. */
  readonly before?: (app: FastifyInstance) => void
  readonly listen?: { host?: string, port?: number, path?: string }
}

/** Lines of warning and error level that are not abort records: noise that nobody asked for. */
export function noise (log: readonly LogLine[]): LogLine[] {
  return log.filter(line => line.level >= 40 && line.abort === undefined)
}

/** @param timeout for a machine that is busy with much else */
export async function until (condition: () => boolean, what: string, timeout = 15_000): Promise<void> {
  const deadline = performance.now() + timeout
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`timed out: ${what}`)
    await delay(5)
  }
}

/** A listening application under guard, with everything it says kept. The caller closes it. */
export async function guardedApp (options: GuardedAppOptions = {}): Promise<GuardedApp> {
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
  const app = fastify({ logger: { level: 'debug', stream }, ...serverKind((options.fastify as { http?: object } | undefined)?.http), ...options.fastify } as FastifyServerOptions) as FastifyInstance
  options.before?.(app)
  await app.register(readGuard, { logLimit: false, ...options.guard, onAbort: (record, request) => { records.push(record); options.guard?.onAbort?.(record, request) } })
  app.addHook('onError', async (_request, _reply, error) => { onError.push(error) })
  app.setErrorHandler((error: Error, _request, reply) => {
    handled.push(error)
    return reply.send(error)
  })
  await options.routes?.(app)
  const { listen = {} } = options
  await app.listen(listen.path === undefined ? { port: 0, host: '127.0.0.1', ...listen } : listen)
  const { port } = app.server.address() as AddressInfo
  return {
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
}
