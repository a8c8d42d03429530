import type { Tally } from './busiest.js'
import type { LoggedAbort } from '../input/logged-abort.js'
import { QuantileSketch } from './quantile-sketch.js'
import type { Measures, Spread } from '../report.js'
import { roundAmount, roundShare } from './rounding.js'

/** The numbers of one group of reads. */
export class MeasureTally implements Tally<MeasureTally> {
  count = 0
  #received = 0
  #declared = { count: 0, expected: 0, received: 0 }
  #first = Infinity
  #last = -Infinity
  readonly #share = new QuantileSketch()
  readonly #elapsed = new QuantileSketch()
  readonly #rate = new QuantileSketch()

  add (abort: LoggedAbort): void {
    this.count++
    this.#received += abort.received
    this.#elapsed.add(abort.elapsed)
    this.#rate.add(abort.rate)
    if (abort.time !== undefined) {
      this.#first = Math.min(this.#first, abort.time)
      this.#last = Math.max(this.#last, abort.time)
    }
    if (abort.expected === undefined || abort.expected === 0) return
    this.#declared.count++
    this.#declared.expected += abort.expected
    this.#declared.received += abort.received
    this.#share.add(abort.received / abort.expected)
  }

  merge (other: MeasureTally): void {
    this.count += other.count
    this.#received += other.#received
    this.#declared.count += other.#declared.count
    this.#declared.expected += other.#declared.expected
    this.#declared.received += other.#declared.received
    this.#first = Math.min(this.#first, other.#first)
    this.#last = Math.max(this.#last, other.#last)
    this.#share.merge(other.#share)
    this.#elapsed.merge(other.#elapsed)
    this.#rate.merge(other.#rate)
  }

  measures (total: number, hours: number | null): Measures {
    return {
      count: this.count,
      share: roundShare(total === 0 ? 0 : this.count / total),
      perHour: perHour(this.count, hours),
      received: this.#received,
      receivedShare: this.#share.count === 0 ? null : spread(this.#share, roundShare),
      declared: { ...this.#declared },
      elapsed: spread(this.#elapsed, roundAmount),
      rate: spread(this.#rate, roundAmount),
      first: isoTime(this.#first),
      last: isoTime(this.#last)
    }
  }
}

export function isoTime (time: number): string | null {
  return Number.isFinite(time) ? new Date(time).toISOString() : null
}

export function perHour (count: number, hours: number | null): number | null {
  return hours === null ? null : roundAmount(count / hours)
}

export function spread (sketch: QuantileSketch, round: (value: number) => number): Spread {
  return { median: round(sketch.quantile(0.5) ?? 0), p95: round(sketch.quantile(0.95) ?? 0), max: round(sketch.max) }
}
