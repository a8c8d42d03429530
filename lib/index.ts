import fp from 'fastify-plugin'
import type { FastifyPluginAsync } from 'fastify'
import type { ReadGuardOptions, ReadGuardRouteOptions } from './limits/options.js'
import { readGuard as plugin } from './plugin.js'
import type { RawBodyOptions } from './body/raw-body-options.js'
import type { RequestReadGuard } from './body/request-read-guard.js'
import type { ReadGuardStats } from './stats.js'

export type { AbortRecord } from './record/abort-record.js'
export { errors, isReadError, type Blame, type ReadError, type ReadErrorCode, type ReadPhase, type ReadReason } from './record/errors.js'
export type { ReadGuardOptions, ReadGuardRouteOptions, ReadLimits } from './limits/options.js'
export type { RawBodyOptions } from './body/raw-body-options.js'
export type { RequestReadGuard } from './body/request-read-guard.js'
export type { ReadGuardStats } from './stats.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Limits of this route; with `false` only its headers are guarded. */
    readGuard?: ReadGuardRouteOptions | false
  }

  interface FastifyRequest {
    /** How far this request has come, its limits, and the signal that it has failed. */
    readonly readGuard: RequestReadGuard
    /**
     * Reads the whole body as it was sent. No parser may have consumed it.
     *
     * @throws the `ReadError` of a read that fails; FST_READ_BODY_CONSUMED if something else has read the body
     */
    readRawBody (options: RawBodyOptions & { encoding: string | true }): Promise<string>
    readRawBody (options?: RawBodyOptions & { encoding?: never }): Promise<Buffer>
  }

  interface FastifyInstance {
    readGuard: {
      /** Failed reads by code, and the reads under way now. */
      stats (): ReadGuardStats
    }
  }
}

/**
 * Limits everything the server reads from a client, and how long a client may take its response. Register it once: it guards
 * the whole server, whatever the encapsulation.
 */
export const readGuard: FastifyPluginAsync<ReadGuardOptions> = fp(plugin, { fastify: '>=5.0.0 <7', name: 'fastify-read-guard' })

export default readGuard
