import type { LimitTally } from './limit-tally.js'
import { reasonTable, reportedReasons, type LimitKind, type ReportedReason } from '../reasons.js'
import type { LimitAdvice, RouteAdvice, RouteRequestCount } from '../report.js'
import { roundDown, roundShare, roundUp } from './rounding.js'
import type { RouteRequests } from './request-tally.js'
import type { RouteTally } from './route-tally.js'
import { verdictOn } from './verdict.js'

/** Fewer reads give no advice. */
const fewestReads = 5

/** The longest time that an option takes, in milliseconds: Node has no longer timer. */
const longestTimer = 2 ** 31 - 1

const shares = [0.5, 0.9, 0.99]

export interface Surroundings {
  /** The time that the log spans. */
  readonly spanMs: number
  /** The requests of the route, where the log tells. */
  readonly requests: RouteRequests | undefined
}

/** Advice on the limits of a route, from its records; `undefined` where a limit cut too few of them. */
export function advise (route: string, tally: RouteTally, missed: number, around: Surroundings): RouteAdvice | undefined {
  if (tally.cut < fewestReads) return undefined
  const limits: LimitAdvice[] = []
  for (const reason of reportedReasons) {
    const limit = tally.limits.get(reason)
    if (limit !== undefined && limit.count >= fewestReads) limits.push(limitAdvice(reason, limit, around))
  }
  const { cutShare } = tally
  return {
    route,
    count: tally.count,
    atMost: tally.count + missed,
    requests: requestCount(around.requests),
    cut: tally.cut,
    cutReceivedShare: cutShare.count < fewestReads
      ? null
      : { count: cutShare.count, median: roundShare(cutShare.quantile(0.5) ?? 0), p95: roundShare(cutShare.quantile(0.95) ?? 0) },
    limits
  }
}

export function requestCount (requests: RouteRequests | undefined): RouteRequestCount | null {
  return requests === undefined || requests.count === 0 ? null : { count: requests.count, atMost: requests.count + requests.missed }
}

function limitAdvice (reason: ReportedReason, tally: LimitTally, around: Surroundings): LimitAdvice {
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
    enough: enoughBy[kind](tally),
    verdict: verdictOn(tally, { kind, ...around })
  }
}

type Enough = LimitAdvice['enough']

const enoughBy: Readonly<Record<LimitKind, (tally: LimitTally) => Enough>> = {
  // The record is written when the silence passes its limit, so it cannot tell how long the silence would have lasted.
  silence: () => [],
  // A head declares no length.
  head: () => [],
  time: enoughTime,
  rate: enoughRate,
  size: enoughSize
}

// Each limit is a value that the option takes, or 0 where only no limit at all is enough.

function enoughTime ({ needed }: LimitTally): Enough {
  if (needed.count < fewestReads) return []
  return shares.map(share => {
    const ms = Math.ceil((needed.atMost(share) ?? 0) / 1000) * 1000
    return { share, limit: ms > longestTimer ? 0 : ms, longestMs: ms }
  })
}

function enoughRate (tally: LimitTally): Enough {
  if (tally.rates.count < fewestReads) return []
  return shares.map(share => {
    const rate = tally.rates.atLeast(share) ?? 0
    const longest = tally.longestFrom(rate)
    return { share, limit: roundDown(rate), longestMs: longest.count < fewestReads ? null : Math.ceil(longest.ms) }
  })
}

function enoughSize ({ sizes }: LimitTally): Enough {
  if (sizes.count < fewestReads) return []
  return shares.map(share => ({ share, limit: Math.ceil(roundUp(sizes.atMost(share) ?? 0)), longestMs: null }))
}
