import { bytesText, countText, durationText, percentText, rateText } from './amount-text.js'
import type { LimitKind } from '../reasons.js'
import type { LimitAdvice, RouteAdvice } from '../report.js'

/** Whether the reads were cut, or would have been. */
export type Mood = 'failed' | 'observed'

/** Said once, before all advice. */
export const movingText = 'A read is still moving if its last byte came in the last quarter of its time.'

/** How many routes there would be something to say of beside those that are shown. */
export function moreAdviceText (left: number): string[] {
  return left <= 0 ? [] : [`The same of ${countText(left)} more ${left === 1 ? 'route' : 'routes'}: --json has it.`]
}

/** Plain sentences, one paragraph each; numbers only from the records. */
export function adviceText (advice: RouteAdvice, mood: Mood): string[] {
  return [routeText(advice, mood), ...advice.limits.map(limit => limitText(limit, mood))]
}

function routeText ({ count, atMost, cut, cutReceivedShare: got }: RouteAdvice, mood: Mood): string {
  const whole = { failed: 'reads that failed here', observed: 'reads recorded here' }[mood]
  const verb = { failed: 'cut', observed: 'would have cut' }[mood]
  const part = atMost > count ? `at least ${countText(cut)} ${whole}` : cut === count ? `all ${countText(count)} ${whole}` : `${countText(cut)} of the ${countText(count)} ${whole} (${percentText(cut / count)})`
  const first = `A limit ${verb} ${part}.`
  if (got === null) return first
  return `${first} ${subject(got.count, cut)} declared a length: half had received no more than ${percentText(got.median)} of it, 95% no more than ${percentText(got.p95)}.`
}

function limitText (limit: LimitAdvice, mood: Mood): string {
  const verb = { failed: 'cut', observed: 'would have cut' }[mood]
  const what = `${limit.option}${inForce(limit)} ${verb} ${countText(limit.count)} ${limit.count === 1 ? 'read' : 'reads'}`
  return texts[limit.kind](what, limit)
}

const texts: Readonly<Record<LimitKind, (what: string, limit: LimitAdvice) => string>> = {
  head: what => `${what}. The first is in bytes, the second in header lines; the records do not say which of them it was.`,

  silence: what => `${what}. How long the silence would have lasted is not in the log, so it cannot tell which limit would have been enough.`,

  time: (what, { option, enough, ...limit }) => {
    const [half, most, nearly] = enough
    if (half === undefined || most === undefined || nearly === undefined) return `${what}${movement(limit)}. ${tooLittle(limit)}`
    return `${what}${movement(limit)}. At the pace that the ${countText(limit.declared)} of these with a declared length had, a ${option} of ${exactDuration(half.limit)} would have been enough for 50% of them, ${exactDuration(most.limit)} for 90% and ${exactDuration(nearly.limit)} for 99%. ${longest(enough)}`
  },

  rate: (what, { enough, ...limit }) => {
    const first = `${what}${movement(limit)}.${burst(limit)}`
    const [half, most, nearly] = enough
    if (half === undefined || most === undefined || nearly === undefined) return `${first} ${tooFew}`
    const whose = limit.burst === 0 ? 'those still moving' : 'the others'
    return `${first} Of ${whose}, 50% averaged at least ${exactRate(half.limit)}, 90% ${exactRate(most.limit)} and 99% ${exactRate(nearly.limit)}; a read whose pace is uneven needs a lower limit than its average.${held(limit.declared, enough)}`
  },

  size: (what, { option, enough, ...limit }) => {
    const [half, most, nearly] = enough
    if (half === undefined || most === undefined || nearly === undefined) return `${what}.`
    return `${what}. ${subject(limit.declared, limit.count)} declared a length: a ${option} of ${exactBytes(half.limit)} would have been enough for 50% of them, ${exactBytes(most.limit)} for 90% and ${exactBytes(nearly.limit)} for 99%.`
  }
}

const tooFew = 'That is too few to tell which limit would have been enough.'

function tooLittle ({ moving, declared }: Pick<LimitAdvice, 'moving' | 'declared'>): string {
  if (moving > 0 && declared === 0) return 'Nothing says how much was still to come, so the log cannot tell which limit would have been enough.'
  return tooFew
}

function burst ({ moving, burst }: Pick<LimitAdvice, 'moving' | 'burst'>): string {
  if (burst === 0) return ''
  const who = burst === moving ? 'All of those' : `Of those still moving ${countText(burst)}`
  return ` ${who} sent fast first: an average that is not below the limit tells nothing.`
}

/** Only of reads that declared a length is it known how much was still to come. */
function held (declared: number, enough: LimitAdvice['enough']): string {
  const known = enough.flatMap(({ share, longestMs }) => longestMs === null ? [] : [`${durationText(longestMs)} (of the ${share * 100}%)`])
  if (known.length === 0) return ''
  return ` At that pace the longest of the ${countText(declared)} that declared a length would have held a connection for ${listText(known)}, unless another limit ended it.`
}

function longest (enough: LimitAdvice['enough']): string {
  if (enough.every(({ limit, longestMs }) => limit === longestMs)) return 'That is also how long the slowest of them would have held a connection.'
  return `The slowest of them would have held a connection for ${listText(enough.map(({ longestMs }) => durationText(longestMs ?? 0)))}.`
}

function listText (parts: readonly string[]): string {
  return parts.length < 2 ? parts.join() : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`
}

function movement ({ count, silent, moving }: Pick<LimitAdvice, 'count' | 'silent' | 'moving'>): string {
  const part = moving === count ? 'all' : moving === 0 ? 'none' : countText(moving)
  return `; ${part} of them were still moving${silent === 0 ? '' : `, ${countText(silent)} had sent nothing`}`
}

function inForce ({ kind, limit }: LimitAdvice): string {
  if (limit === null) return ''
  const show = { time: durationText, silence: durationText, rate: rateText, size: bytesText, head: countText }[kind]
  const range = limit.min === limit.max ? show(limit.max) : `${show(limit.min)} to ${show(limit.max)}`
  return kind === 'size' ? ` (${range}; the guard's or Fastify's own)` : ` (${range})`
}

function subject (part: number, whole: number): string {
  return part === whole ? `All ${countText(whole)}` : `${countText(part)} of them`
}

/** What can be put into the options: the option's own unit beside the readable one. */
function exactDuration (ms: number): string {
  if (ms === 0) return '0 (no limit: Node has no timer as long)'
  return `${durationText(ms)} (${countText(ms)} ms)`
}

/** A rate below what a record can say is one that only `false` lets through. */
function exactRate (rate: number): string {
  return rate === 0 ? '0 B/s (only false is enough)' : rateText(rate)
}

function exactBytes (bytes: number): string {
  return bytes < 1000 ? bytesText(bytes) : `${bytesText(bytes)} (${countText(bytes)} bytes)`
}
