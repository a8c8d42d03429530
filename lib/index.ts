import fp from 'fastify-plugin'
import type { FastifyPluginAsync } from 'fastify'
import type { ReadGuardOptions, ReadGuardRouteOptions } from './limits/options.js'
import { readGuard as plugin } from './plugin.js'
import type { RawBodyOptions } from './body/read-raw-body.js'
import type { RequestReadGuard } from './body/request-read-guard.js'
import type { ReadGuardStats } from './stats.js'

export type { AbortRecord } from './record/abort-record.js'
export { errors, isReadError, type Blame, type ReadError, type ReadErrorCode, type ReadPhase, type ReadReason } from './record/errors.js'
export type { ReadGuardOptions, ReadGuardRouteOptions, ReadLimits } from './limits/options.js'
export type { RawBodyOptions } from './body/read-raw-body.js'
export type { RequestReadGuard } from './body/request-read-guard.js'
export type { ReadGuardStats } from './stats.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Limits of the bodies of this route; `false` leaves them unguarded. */
    readGuard?: ReadGuardRouteOptions | false
  }

  interface FastifyRequest {
    /** The read of this request's body: how far it is, and its limits. */
    readonly readGuard: RequestReadGuard
    /**
     * Reads the whole body of a request that no parser has consumed, as sent.
     *
     * @throws the read's own `ReadError`; FST_READ_BODY_CONSUMED if something else has read the body
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

/** Gives every read of a server a limit. Register it once: it guards the whole server, whatever the encapsulation. */
export const readGuard: FastifyPluginAsync<ReadGuardOptions> = fp(plugin, { fastify: '5.x', name: 'fastify-read-guard' })

export default readGuard
