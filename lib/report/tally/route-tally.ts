import type { Tally } from './busiest.js'
import { LimitTally } from './limit-tally.js'
import type { LoggedAbort } from '../input/logged-abort.js'
import { QuantileSketch } from './quantile-sketch.js'
import { reasonTable, type ReportedReason } from '../reasons.js'

/** One route: its reasons, and for the advice the reads that each limit cut. */
export class RouteTally implements Tally<RouteTally> {
  count = 0
  cut = 0
  readonly reasons = new Map<ReportedReason, number>()
  readonly limits = new Map<ReportedReason, LimitTally>()
  readonly cutShare = new QuantileSketch()

  add (abort: LoggedAbort): void {
    const { reason, received, expected } = abort
    this.count++
    this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1)
    const limit = this.#limit(reason)
    if (limit === undefined) return
    this.cut++
    limit.add(abort)
    if (expected !== undefined && expected > 0) this.cutShare.add(received / expected)
  }

  merge (other: RouteTally): void {
    this.count += other.count
    this.cut += other.cut
    for (const [reason, count] of other.reasons) this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + count)
    for (const [reason, limit] of other.limits) this.#limit(reason)?.merge(limit)
    this.cutShare.merge(other.cutShare)
  }

  #limit (reason: ReportedReason): LimitTally | undefined {
    const kind = reasonTable[reason].limit?.kind
    if (kind === undefined) return undefined
    const known = this.limits.get(reason)
    if (known !== undefined) return known
    const limit = new LimitTally(kind)
    this.limits.set(reason, limit)
    return limit
  }
}
