import type { LimitKind } from '../reasons.js'
import type { Population, Verdict } from '../report.js'
import type { LimitTally } from './limit-tally.js'
import { isoTime } from './measure-tally.js'
import type { RouteRequests } from './request-tally.js'
import { roundDown, roundShare, roundUp } from './rounding.js'

// The rules are written down for readers in docs/report-verdicts.md, with these numbers.

/** Fewer reads say nothing. */
const fewest = 5
const fewestOfAttack = 10
/** How many clients are "many", provided that none has more than half of the reads. */
const manyClients = 5
const half = 0.5
/** The share of the reads from which on they are those of one client. */
const oneClient = 0.8
/** The share of the reads that had begun which must look honest for a limit to be loosened. */
const honestEnough = 0.3
/** How many reads at a time, on average, an honest client does not have. */
const crowd = 3
const readsPerClient = 5
/** Most reads within a quarter of an hour, of a log that spans two hours or more. */
const inWindow = 0.7
const shortestLogMs = 2 * 3_600_000
/** A limit that leaves room: twice the time of 99.9 % of the requests that succeeded. */
const successShare = 0.999
const fewestSucceeded = 1000
const room = 2

export interface VerdictContext {
  readonly kind: LimitKind
  /** The time that the log spans. */
  readonly spanMs: number
  readonly requests: RouteRequests | undefined
}

/** The verdict of the reads that a limit cut. */
export function verdictOn (tally: LimitTally, context: VerdictContext): Verdict {
  const { count, hardly, honest, clients, shapes } = tally
  const ranked = clients.ranked()
  const top = ranked[0] ?? { client: '', count: 0, honest: 0 }
  const window = tally.window.densest()
  const concurrency = concurrencyOf(tally)
  const facts: Facts = {
    clients: clients.clients,
    perClient: count / clients.clients,
    topShare: top.count / count,
    topHonest: top.count === 0 ? 0 : top.honest / top.count,
    hardly: hardly / count,
    alike: shapes.most / count,
    concurrency,
    window: window?.share ?? 0
  }
  const succeeded = succeededWithin(tally, context)
  const population = populationOf(tally, facts, context)
  const to = population === 'honest_clients' ? looserLimit(tally, context.kind) : undefined
  const tighter = population === 'unclear' ? succeeded?.limit : undefined
  const lookAt = ranked.filter(({ count: reads }) => reads >= fewest && isToBeLookedAt(population)).slice(0, 3)
  return {
    action: isAttack(population) ? 'attack' : to !== undefined ? 'loosen' : tighter !== undefined ? 'tighten' : 'keep',
    population,
    to: to ?? tighter ?? null,
    honest: honest.count,
    honestClients: honest.clients.clients,
    clients: facts.clients,
    busiestShare: roundShare(facts.topShare),
    hardlyBegun: hardly,
    alike: shapes.most,
    atOnce: concurrency === undefined ? null : Math.round(concurrency * 10) / 10,
    window: window === undefined || window.share < inWindow ? null : { from: isoTime(window.from) ?? '', to: isoTime(window.to) ?? '', share: roundShare(window.share) },
    succeeded: succeeded ?? null,
    lookAt: lookAt.map(({ client, count }) => ({ client, count }))
  }
}

interface Facts {
  readonly clients: number
  readonly perClient: number
  /** Of the busiest client. */
  readonly topShare: number
  readonly topHonest: number
  readonly hardly: number
  readonly alike: number
  readonly concurrency: number | undefined
  readonly window: number
}

function populationOf (tally: LimitTally, facts: Facts, { kind, spanMs }: VerdictContext): Population {
  const { count, honest } = tally
  const many = facts.clients >= manyClients && facts.topShare <= half
  if (kind === 'size') return oversized(tally, many) ? 'honest_clients' : facts.topShare >= oneClient && count >= fewest ? 'one_client' : 'unclear'
  if (kind === 'head') return 'unclear'

  if (count >= fewestOfAttack && facts.hardly >= oneClient && looksLikeProgram(facts)) return tally.phase === 'body' ? 'slow_post' : 'slowloris'
  if (count >= fewestOfAttack && tally.phase === 'response' && facts.alike >= half && looksLikeProgram(facts)) return 'slow_reader'
  if (many && facts.window >= inWindow && spanMs >= shortestLogMs) return 'outage'
  if (facts.topShare >= oneClient) return facts.topHonest >= half ? 'slow_customer' : facts.alike >= half ? 'broken_client' : 'one_client'

  const honestTop = honest.clients.ranked()[0]?.count ?? 0
  const isHonest = honest.count >= fewest && honest.clients.clients >= manyClients && honestTop <= honest.count * half && honest.count >= (count - tally.hardly) * honestEnough
  return isHonest ? 'honest_clients' : 'unclear'
}

/** Many reads at a time, from few clients or all alike: people do not do that. */
function looksLikeProgram ({ alike, perClient, topShare, concurrency = crowd }: Facts): boolean {
  return concurrency >= crowd && (alike >= half || topShare >= half || perClient >= readsPerClient)
}

function oversized ({ sizes, highest }: LimitTally, many: boolean): boolean {
  return many && sizes.count >= fewest && highest > 0 && (sizes.atMost(0.9) ?? Infinity) <= highest * 4
}

/** How many of these reads there were at a time, on average. */
function concurrencyOf ({ elapsed, count, window: { first, last } }: LimitTally): number | undefined {
  return last < first || elapsed === 0 ? undefined : elapsed / (last - first + elapsed / count)
}

/** The limit that would have been enough for 90 % of the reads that look honest; `undefined` if the log does not show it. */
function looserLimit ({ honest, sizes }: LimitTally, kind: LimitKind): number | undefined {
  const value = { time: honest.needed.atMost(0.9), rate: honest.rates.atLeast(0.9), size: sizes.atMost(0.9), silence: undefined, head: undefined }[kind]
  if (value === undefined || value === 0) return undefined
  if (kind === 'rate') return Math.floor(roundDown(value)) || undefined
  return kind === 'size' ? Math.ceil(roundUp(value)) : Math.ceil(roundUp(value) / 1000) * 1000
}

/** The time of the requests that succeeded, if it leaves much of the limit unused and no honest read needed more. */
function succeededWithin ({ highest, phase, honest }: LimitTally, { kind, requests }: VerdictContext): Verdict['succeeded'] | undefined {
  if ((kind !== 'time' && kind !== 'silence') || phase !== 'body' || honest.count > 0 || requests === undefined || requests.succeeded.count < fewestSucceeded) return undefined
  const ms = requests.succeeded.atMost(successShare) ?? 0
  const limit = Math.max(1000, Math.ceil(roundUp(ms * room) / 1000) * 1000)
  return limit * room <= highest ? { count: requests.succeeded.count, ms: Math.ceil(ms), limit } : undefined
}

function isAttack (population: Population): boolean {
  return population === 'slowloris' || population === 'slow_post' || population === 'slow_reader'
}

function isToBeLookedAt (population: Population): boolean {
  return isAttack(population) || population === 'broken_client' || population === 'slow_customer' || population === 'one_client'
}
