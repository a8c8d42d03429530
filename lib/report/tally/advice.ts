import type { LimitTally } from './limit-tally.js'
import { reasonTable, reportedReasons, type LimitKind, type ReportedReason } from '../reasons.js'
import type { LimitAdvice, RouteAdvice } from '../report.js'
import { roundDown, roundShare, roundUp } from './rounding.js'
import type { RouteTally } from './route-tally.js'

/** Of fewer reads nothing is said. */
const fewest = 5

/** What a time in the options may be at most. */
const longestTimer = 2 ** 31 - 1

const shares = [0.5, 0.9, 0.99]

/** What the records of a route say about its limits; `undefined` where they are too few, or no limit cut any. */
export function advise (route: string, tally: RouteTally, missed: number): RouteAdvice | undefined {
  if (tally.cut < fewest) return undefined
  const limits: LimitAdvice[] = []
  for (const reason of reportedReasons) {
    const limit = tally.limits.get(reason)
    if (limit !== undefined && limit.count >= fewest) limits.push(limitAdvice(reason, limit))
  }
  const { cutShare } = tally
  return {
    route,
    count: tally.count,
    atMost: tally.count + missed,
    cut: tally.cut,
    cutReceivedShare: cutShare.count < fewest
      ? null
      : { count: cutShare.count, median: roundShare(cutShare.quantile(0.5) ?? 0), p95: roundShare(cutShare.quantile(0.95) ?? 0) },
    limits
  }
}

function limitAdvice (reason: ReportedReason, tally: LimitTally): LimitAdvice {
  const { option, kind } = reasonTable[reason].limit ?? { option: '', kind: 'silence' as const }
  return {
    reason,
    option,
    kind,
    count: tally.count,
    limit: tally.highest < 0 ? null : { min: tally.lowest, max: tally.highest },
    silent: tally.silent,
    moving: tally.moving,
    burst: tally.burst,
    declared: tally.declared,
    enough: enoughBy[kind](tally)
  }
}

type Enough = LimitAdvice['enough']

const enoughBy: Readonly<Record<LimitKind, (tally: LimitTally) => Enough>> = {
  // How long a silence would have lasted is not in a record that was written when it had lasted long enough.
  silence: () => [],
  // The length of what was still to come is declared nowhere.
  head: () => [],
  time: enoughTime,
  rate: enoughRate,
  size: enoughSize
}

// Each answer is a value that the option takes, or 0: only no limit at all is enough.

function enoughTime ({ needed }: LimitTally): Enough {
  if (needed.count < fewest) return []
  return shares.map(share => {
    const ms = Math.ceil((needed.atMost(share) ?? 0) / 1000) * 1000
    return { share, limit: ms > longestTimer ? 0 : ms, longestMs: ms }
  })
}

function enoughRate (tally: LimitTally): Enough {
  if (tally.rates.count < fewest) return []
  return shares.map(share => {
    const rate = tally.rates.atLeast(share) ?? 0
    const longest = tally.longestFrom(rate)
    return { share, limit: roundDown(rate), longestMs: longest.count < fewest ? null : Math.ceil(longest.ms) }
  })
}

function enoughSize ({ sizes }: LimitTally): Enough {
  if (sizes.count < fewest) return []
  return shares.map(share => ({ share, limit: Math.ceil(roundUp(sizes.atMost(share) ?? 0)), longestMs: null }))
}
