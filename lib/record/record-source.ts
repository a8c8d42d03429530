import type { FastifyInstance } from 'fastify'

/** What metrics and tracing need to know of an application's guard. */
export interface RecordSource {
  /** The diagnostics channel on which the records of this application are published, as `RecordedRead`. */
  readonly channelName: string | symbol
  /** The application, whatever context the guard is registered in. */
  readonly root: FastifyInstance
}

/** In the registry of symbols: metrics and guard may come from two copies of this package. */
const kRecordSource = Symbol.for('fastify-read-guard.record-source')

/**
 * Offers the records of an application to those that have its decoration, `app.readGuard`. They are no part of what people see
 * of it.
 */
export function offerRecords<T extends object> (decoration: T, source: RecordSource): T {
  return Object.defineProperty(decoration, kRecordSource, { value: source })
}

/** @param decoration `app.readGuard`; `undefined` without a guard */
export function recordSourceOf (decoration: object | undefined): RecordSource | undefined {
  return (decoration as { [kRecordSource]?: RecordSource } | undefined)?.[kRecordSource] // what is defined above
}
