import { MeasureTally } from './measure-tally.js'
import type { Span } from '../report.js'

const mostKept = 5_000
/** Spans from fine to coarse. Replacing the match in an ISO 8601 time gives the start of the span that it is in. */
const starts: readonly (readonly [Span, RegExp, string])[] = [
  ['hour', /:.*/, ':00:00.000Z'],
  ['day', /T.*/, 'T00:00:00.000Z'],
  ['month', /-\d\dT.*/, '-01T00:00:00.000Z'],
  ['year', /-\d\d-\d\dT.*/, '-01-01T00:00:00.000Z'],
  ['millennium', /\d{3}-\d\d-\d\dT.*/, '000-01-01T00:00:00.000Z']
]

/** Exact tallies by hour in bounded memory. Past 5 000 hours they are merged into days, past 5 000 days into months, and so on. */
export class TimeGroups {
  readonly others = undefined
  #level = 0
  #tallies = new Map<string, MeasureTally>()

  get span (): Span {
    return starts[this.#level]?.[0] ?? 'millennium'
  }

  /** The tally of an ISO 8601 time. A text that is no time has a tally of its own. */
  of (time: string): MeasureTally {
    const known = this.#tallies.get(this.#start(time))
    if (known !== undefined) return known
    if (this.#tallies.size >= mostKept && this.#level < starts.length - 1) this.#coarsen()
    return this.#ofStart(this.#start(time))
  }

  ranked (): { key: string, tally: MeasureTally, missed: number }[] {
    return [...this.#tallies].map(([key, tally]) => ({ key, tally, missed: 0 }))
  }

  #start (time: string): string {
    const [, end, start] = starts[this.#level] ?? ['hour', /$/, '']
    return time.replace(end, start)
  }

  #ofStart (start: string): MeasureTally {
    const known = this.#tallies.get(start)
    if (known !== undefined) return known
    const tally = new MeasureTally()
    this.#tallies.set(start, tally)
    return tally
  }

  #coarsen (): void {
    const fine = this.#tallies
    this.#tallies = new Map()
    this.#level++
    for (const [time, tally] of fine) this.#ofStart(this.#start(time)).merge(tally)
  }
}
