import type { LoggedAbort } from '../input/logged-abort.js'
import type { Tally } from './busiest.js'
import { QuantileSketch } from './quantile-sketch.js'

/** Clients of one route that left in one phase. */
export class LeftTally implements Tally<LeftTally> {
  count = 0
  readonly elapsed = new QuantileSketch()
  readonly sent = new QuantileSketch()

  add ({ elapsed, sent }: LoggedAbort): void {
    this.count++
    this.elapsed.add(elapsed)
    if (sent !== undefined) this.sent.add(sent)
  }

  merge (other: LeftTally): void {
    this.count += other.count
    this.elapsed.merge(other.elapsed)
    this.sent.merge(other.sent)
  }
}
