import { UsageError } from './usage.js'

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }
const iso = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:?\d\d)?)?$/i

/** What `--since` and `--until` mean, as milliseconds since the epoch. */
export function timeBound (option: string, text: string, now: number): number {
  const [, amount, unit = ''] = /^(\d+)([smhdw])$/.exec(text) ?? []
  const unitMs = units[unit]
  if (amount !== undefined && unitMs !== undefined) return now - Number(amount) * unitMs
  const [, date, clock = '00:00', zone = 'Z'] = iso.exec(text) ?? []
  const time = date === undefined ? NaN : Date.parse(`${date}T${clock}${zone.toUpperCase()}`)
  if (Number.isNaN(time)) throw new UsageError(`${option} must be a date and time such as 2025-03-01T14:00, or a time back from now such as 30m, 2h or 7d; got '${text}'`)
  return time
}
