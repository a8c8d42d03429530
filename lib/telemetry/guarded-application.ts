import diagnosticsChannel from 'node:diagnostics_channel'
import type { FastifyInstance } from 'fastify'
import { OptionsInvalidError } from '../record/errors.js'
import type { RecordedRead } from '../record/journal.js'
import { recordSourceOf } from '../record/record-source.js'
import type { ReadGuardStats } from '../stats.js'

/** An instance of Fastify, of whatever kind, in which the guard is registered. */
export interface GuardedInstance {
  readonly readGuard: { stats (): ReadGuardStats }
}

/** What is observed of one application: what its guard publishes, and what it counts. */
export interface GuardedApplication {
  /** The application, whatever context the guard is registered in. */
  readonly root: FastifyInstance
  readonly stats: () => ReadGuardStats
  /** Calls back for every record of this application until it closes, and then `onClosed`, once. */
  readonly observe: (onRecord: (read: RecordedRead) => void, onClosed: () => void) => void
}

/**
 * The guard of an application.
 *
 * @param caller the function that was called with it
 * @throws {OptionsInvalidError} where the guard is not registered, or not yet
 */
export function guardedApplication (app: unknown, caller: string): GuardedApplication {
  const { readGuard } = (app ?? {}) as Partial<GuardedInstance> // whatever was given
  const source = recordSourceOf(readGuard)
  if (readGuard === undefined || source === undefined) {
    throw new OptionsInvalidError(`${caller}: app`,
      'must be an instance in which fastify-read-guard is registered by now (await app.register(readGuard), or wait for app.after())',
      app === undefined || app === null ? String(app) : 'one without its readGuard')
  }
  const { root, channelName } = source
  return {
    root,
    stats: () => readGuard.stats(),
    observe: (onRecord, onClosed) => {
      const onMessage = (message: unknown): void => onRecord(message as RecordedRead) // what the channel publishes
      // Refused by Fastify where the application has started: before anything is subscribed to that would never end.
      root.addHook('onClose', (_app, done) => {
        diagnosticsChannel.unsubscribe(channelName, onMessage)
        onClosed()
        done()
      })
      diagnosticsChannel.subscribe(channelName, onMessage)
    }
  }
}
