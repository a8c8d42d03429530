import { UsageError } from './usage.js'

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }
const iso = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:?\d\d)?)?$/i

/** A Date holds no more milliseconds than this. */
const furthest = 8.64e15

/**
 * The value of `--since` or `--until`, in milliseconds since the epoch.
 * @throws {UsageError}
 */
export function timeBound (option: string, text: string, now: number): number {
  const time = timeBack(text, now) ?? isoTime(text)
  if (time === undefined) throw new UsageError(`${option} must be a date and time such as 2025-03-01T14:00, or a time back from now such as 30m, 2h or 7d; got '${text}'`)
  if (Math.abs(time) > furthest) throw new UsageError(`${option} is too far back; got '${text}'`)
  return time
}

function timeBack (text: string, now: number): number | undefined {
  const [, amount, unit = ''] = /^(\d+)([smhdw])$/.exec(text) ?? []
  const unitMs = units[unit]
  return amount === undefined || unitMs === undefined ? undefined : now - Number(amount) * unitMs
}

function isoTime (text: string): number | undefined {
  const [, date, clock = '00:00', zone = 'Z'] = iso.exec(text) ?? []
  if (date === undefined || !isOfCalendar(date)) return undefined
  const time = Date.parse(`${date}T${clock}${zone.toUpperCase()}`)
  return Number.isNaN(time) ? undefined : time
}

/** Tells 30 February, which `Date.parse` takes for 2 March. */
function isOfCalendar (date: string): boolean {
  const time = Date.parse(date)
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(date)
}
