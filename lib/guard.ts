import type { Heartbeat } from './clock/heartbeat.js'
import type { ResolvedOptions } from './limits/resolve.js'
import type { Journal } from './record/journal.js'
import type { Recorder } from './record/recorder.js'

/** What every read of one application shares. */
export interface GuardContext {
  readonly options: ResolvedOptions
  readonly heartbeat: Heartbeat
  readonly recorder: Recorder
  readonly journal: Journal
  /** How many connections were lingered on; see `stats()`. */
  lingered: number
  /** The application is closing. */
  closing: boolean
}
