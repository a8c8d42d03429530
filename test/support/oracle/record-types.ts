import type { AbortRecord } from '../../../lib/index.js'
import { errorTable } from '../../../lib/record/errors.js'

/** The statuses of a malformed request that the table does not have. */
const OTHER_STATUSES: readonly unknown[] = [501, 505]

/** What a record says that its type does not allow, as text. */
export function misfits (record: AbortRecord): string[] {
  const { code, reason, blame, phase, statusCode, limit } = record
  const row = errorTable[code]
  const isStatus = row.statusCode === 499
    ? typeof statusCode === 'number'
    : statusCode === row.statusCode || (code === 'FST_READ_MALFORMED' && (OTHER_STATUSES.includes(statusCode) || (phase === 'handshake' && statusCode === undefined)))
  const fits: ReadonlyArray<readonly [field: string, doesFit: boolean]> = [
    ['reason', reason === row.reason],
    ['blame', blame === row.blame],
    ['phase', row.phases.some((allowed) => allowed === phase)],
    ['statusCode', isStatus],
    ['limit', row.limit === 'if known' || (typeof limit === 'number') === (row.limit === 'always')]
  ]
  return fits.flatMap(([field, doesFit]) => doesFit ? [] : [`${code}: ${field} is ${String(record[field as keyof AbortRecord])}`])
}

/** Ends the process of the test, whatever it is about: what `onAbort` throws is only logged. */
export function mustFitItsType (record: AbortRecord): void {
  const told = misfits(record)
  if (told.length > 0) setImmediate(() => { throw new Error(told.join(', ')) })
}
