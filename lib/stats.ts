import type { ReadErrorCode } from './record/errors.js'
import type { AbortCounts } from './record/journal.js'
import type { ConnectionPhase, Watched } from './clock/watch-list.js'

/** The result of `app.readGuard.stats()`. */
export interface ReadGuardStats extends AbortCounts {
  /** When counting began, ISO 8601. */
  readonly since: string
  /** Failed reads by code. */
  readonly aborted: Readonly<Partial<Record<ReadErrorCode, number>>>
  /** Reads that would have been refused (`mode: 'observe'`), by code. */
  readonly observed: Readonly<Partial<Record<ReadErrorCode, number>>>
  /** Records that `logLimit` left out of the log. */
  readonly suppressed: number
  /** How many times the guard read and discarded what a client still sent after its answer. */
  readonly lingered: number
  /** Reads under way now, by phase. */
  readonly reading: Readonly<Record<ConnectionPhase, number>>
}

/** What is counted of a guard. Its own type would have the declarations of all that it consists of published. */
export interface CountedGuard {
  readonly heartbeat: { watched (): Iterable<Watched> }
  readonly journal: { counts (): AbortCounts }
  readonly lingered: number
}

export function statsOf (guard: CountedGuard, since: string): ReadGuardStats {
  const reading: Record<ConnectionPhase, number> = { handshake: 0, headers: 0, body: 0, response: 0, lingering: 0 }
  for (const watched of guard.heartbeat.watched()) {
    const { phase, responding = 0 } = watched
    if (phase !== undefined) reading[phase]++
    reading.response += responding
  }
  return { since, ...guard.journal.counts(), lingered: guard.lingered, reading }
}
