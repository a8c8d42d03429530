import type { FastifyBaseLogger } from 'fastify'
import type { AbortJournal } from './record/journal.js'
import type { Heartbeat } from './clock/heartbeat.js'
import type { ResolvedOptions } from './limits/resolve.js'

/** What every read of one application shares. */
export interface Guard {
  readonly options: ResolvedOptions
  readonly heartbeat: Heartbeat
  readonly journal: AbortJournal
  readonly log: FastifyBaseLogger
  /** How many connections were lingered on; see `stats()`. */
  lingered: number
  /** The application is closing. */
  closing: boolean
}
