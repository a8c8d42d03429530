import { ofRequestsText } from './overview-text.js'
import { verdictText } from './verdict-text.js'
import { bytesText, countText, durationText, percentText, rateText } from './amount-text.js'
import type { LimitKind } from '../reasons.js'
import type { LimitAdvice, RouteAdvice, SectionKind } from '../report.js'

/** Stands once, before all advice. */
export const movingText = 'A read is still moving if its last byte came in the last quarter of its time.'

/** How many routes have advice that is not shown. */
export function moreAdviceText (omitted: number): string[] {
  return omitted <= 0 ? [] : [`${countText(omitted)} more ${omitted === 1 ? 'route' : 'routes'}: see --json.`]
}

/**
 * The advice on a route in plain sentences, one paragraph each. All numbers are from the records. It does not name the limit
 * that would have let an attack through: that would read like a reason to set it.
 */
export function adviceText (advice: RouteAdvice, sectionKind: SectionKind): string[] {
  return [routeText(advice, sectionKind), ...advice.limits.flatMap(limit => [verdictText(limit, sectionKind), ...limit.verdict.action === 'attack' ? [] : [limitText(limit, sectionKind)]])]
}

function routeText ({ count, atMost, requests, cut, cutReceivedShare: got }: RouteAdvice, sectionKind: SectionKind): string {
  const whole = { failed: 'reads that failed here', observed: 'reads recorded here' }[sectionKind]
  const verb = { failed: 'cut', observed: 'would have cut' }[sectionKind]
  const part = atMost > count ? `at least ${countText(cut)} ${whole}` : cut === count ? `all ${countText(count)} ${whole}` : `${countText(cut)} of the ${countText(count)} ${whole} (${percentText(cut / count)})`
  const of = ofRequestsText(cut, requests)
  const first = `A limit ${verb} ${part}${of === '' ? '' : `: ${of}`}.`
  if (got === null) return first
  return `${first} ${subjectText(got.count, cut)} declared a length: half had received no more than ${percentText(got.median)} of it, 95% no more than ${percentText(got.p95)}.`
}

function limitText (limit: LimitAdvice, sectionKind: SectionKind): string {
  const verb = { failed: 'cut', observed: 'would have cut' }[sectionKind]
  const what = `${limit.option}${inForceText(limit)} ${verb} ${countText(limit.count)} ${limit.count === 1 ? 'read' : 'reads'}`
  return texts[limit.kind](what, limit)
}

const texts: Readonly<Record<LimitKind, (what: string, limit: LimitAdvice) => string>> = {
  head: what => `${what}. The first is in bytes, the second in header lines; the records do not say which of them it was.`,

  silence: what => `${what}. How long the silence would have lasted is not in the log, so it cannot tell which limit would have been enough.`,

  time: (what, { option, enough, ...limit }) => {
    const [half, most, nearly] = enough
    if (half === undefined || most === undefined || nearly === undefined) return `${what}${movementText(limit)}. ${notEnoughText(limit)}`
    return `${what}${movementText(limit)}. At the pace that the ${countText(limit.declared)} of these with a declared length had, a ${option} of ${optionDurationText(half.limit)} would have been enough for 50% of them, ${optionDurationText(most.limit)} for 90% and ${optionDurationText(nearly.limit)} for 99%. ${longestText(enough)}`
  },

  rate: (what, { enough, ...limit }) => {
    const first = `${what}${movementText(limit)}.${burstText(limit)}`
    const [half, most, nearly] = enough
    if (half === undefined || most === undefined || nearly === undefined) return `${first} ${tooFewText}`
    const whose = limit.burst === 0 ? 'those still moving' : 'the others'
    return `${first} Of ${whose}, 50% averaged at least ${optionRateText(half.limit)}, 90% ${optionRateText(most.limit)} and 99% ${optionRateText(nearly.limit)}; a read whose pace is uneven needs a lower limit than its average.${heldText(limit.declared, enough)}`
  },

  size: (what, { option, enough, ...limit }) => {
    const [half, most, nearly] = enough
    if (half === undefined || most === undefined || nearly === undefined) return `${what}.`
    return `${what}. ${subjectText(limit.declared, limit.count)} declared a length: a ${option} of ${optionBytesText(half.limit)} would have been enough for 50% of them, ${optionBytesText(most.limit)} for 90% and ${optionBytesText(nearly.limit)} for 99%.`
  }
}

const tooFewText = 'That is too few to tell which limit would have been enough.'

function notEnoughText ({ moving, declared }: Pick<LimitAdvice, 'moving' | 'declared'>): string {
  if (moving > 0 && declared === 0) return 'The log does not say how much was still to come, so it cannot tell which limit would have been enough.'
  return tooFewText
}

function burstText ({ moving, burst }: Pick<LimitAdvice, 'moving' | 'burst'>): string {
  if (burst === 0) return ''
  const subject = burst === moving ? 'All of those' : `Of those still moving ${countText(burst)}`
  return ` ${subject} sent fast first, so an average that is not below the limit says nothing.`
}

/** Only reads that declared a length show how much was still to come. */
function heldText (declared: number, enough: LimitAdvice['enough']): string {
  const known = enough.flatMap(({ share, longestMs }) => longestMs === null ? [] : [`${durationText(longestMs)} (of the ${share * 100}%)`])
  if (known.length === 0) return ''
  return ` At that pace the longest of the ${countText(declared)} that declared a length would have held a connection for ${listText(known)}, unless another limit ended it.`
}

function longestText (enough: LimitAdvice['enough']): string {
  if (enough.every(({ limit, longestMs }) => limit === longestMs)) return 'That is also how long the slowest of them would have held a connection.'
  return `The slowest of them would have held a connection for ${listText(enough.map(({ longestMs }) => durationText(longestMs ?? 0)))}.`
}

function listText (parts: readonly string[]): string {
  return parts.length < 2 ? parts.join() : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`
}

function movementText ({ count, silent, moving }: Pick<LimitAdvice, 'count' | 'silent' | 'moving'>): string {
  const part = moving === count ? 'all' : moving === 0 ? 'none' : countText(moving)
  return `; ${part} of them were still moving${silent === 0 ? '' : `, ${countText(silent)} had sent nothing`}`
}

function inForceText ({ kind, limit }: LimitAdvice): string {
  if (limit === null) return ''
  const show = { time: durationText, silence: durationText, rate: rateText, size: bytesText, head: countText }[kind]
  const range = limit.min === limit.max ? show(limit.max) : `${show(limit.min)} to ${show(limit.max)}`
  return kind === 'size' ? ` (${range}; the guard's or Fastify's own)` : ` (${range})`
}

function subjectText (part: number, whole: number): string {
  return part === whole ? `All ${countText(whole)}` : `${countText(part)} of them`
}

/** The value also stands in the option's own unit, so that it can be copied into the options. */
function optionDurationText (ms: number): string {
  if (ms === 0) return '0 (no limit: Node has no timer as long)'
  return `${durationText(ms)} (${countText(ms)} ms)`
}

/** Rates in records have two decimals: only `false` lets a read pass whose rate rounds to 0. */
function optionRateText (rate: number): string {
  return rate === 0 ? '0 B/s (only false is enough)' : rateText(rate)
}

function optionBytesText (bytes: number): string {
  return bytes < 1000 ? bytesText(bytes) : `${bytesText(bytes)} (${countText(bytes)} bytes)`
}
