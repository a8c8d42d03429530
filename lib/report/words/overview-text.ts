import { amountText, countText, durationText, percentText, timeText } from './amount-text.js'
import type { ReportedPhase } from '../reasons.js'
import type { InputCounts, Report, RouteRequestCount, Section, Wrapping } from '../report.js'

/** Sentences about the lines that were read, and those that were passed over. */
export function inputText (input: InputCounts): string[] {
  const { lines, kinds, passedOver, parts, records, doubtful, filteredOut, suppressed, damaged } = input
  const logged = Object.values(kinds).reduce((sum, count) => sum + count, 0)
  const isMixed = kinds.pino < logged
  const left = [
    ...passedOver.text === 0 ? [] : [`${countText(passedOver.text)} not JSON`],
    ...passedOver.json === 0 ? [] : [`${countText(passedOver.json)} JSON but no log line`],
    ...passedOver.broken === 0 ? [] : [`${countText(passedOver.broken)} truncated JSON`],
    ...passedOver.tooLong === 0 ? [] : [`${countText(passedOver.tooLong)} longer than 1 MiB`],
    ...doubtful === 0 ? [] : [`${countText(doubtful)} with a record where the guard does not log it`]
  ]
  return [
    `${countText(lines)} ${plural(lines, 'line')}, ${countText(records)} of them ${records === 1 ? 'the record of a read' : 'records of reads'}${left.length === 0 ? '' : `; passed over: ${left.join(', ')}`}.`,
    ...isMixed ? [`Log lines: ${kindsText(kinds)}${parts === 0 ? '' : `; ${countText(parts)} ${plural(parts, 'line')} more ${parts === 1 ? 'is' : 'are'} the start of another`}.`] : [],
    ...filteredOut === 0 ? [] : [`${countText(filteredOut)} ${plural(filteredOut, 'record')} left out by --since, --until or --route.`],
    ...suppressed === 0 ? [] : [`${countText(suppressed)} more ${plural(suppressed, 'record')} were kept out of the log by the guard's logLimit: they are not in the numbers below.`],
    ...damaged.length === 0 ? [] : [`Damaged or truncated, and read up to that point: ${damaged.join(', ')}.`]
  ]
}

const kindNames: Readonly<Record<Wrapping, string>> = {
  pino: 'as pino writes them',
  docker: "in Docker's JSON",
  cri: "in Kubernetes' container logs",
  journald: "in the journal's JSON",
  gcp: "in Google Cloud's JSON",
  wrapped: 'inside other JSON',
  prefixed: 'behind other text'
}

function kindsText (kinds: InputCounts['kinds']): string {
  return (Object.entries(kindNames) as [Wrapping, string][]).filter(([kind]) => kinds[kind] > 0).map(([kind, name]) => `${countText(kinds[kind])} ${name}`).join(', ')
}

/** How many requests there were, if the log says so. */
export function requestsText ({ requests, hours }: Report): string[] {
  if (requests === null) return []
  const { completed, perHour } = requests
  const length = hours === null ? '' : ` in ${durationText(hours * 3_600_000)}`
  return [`${countText(completed)} ${plural(completed, 'request')} completed${length}${perHour === null ? '' : `, ${amountText(perHour)} per hour`}.`]
}

/** `163 of 41,200 requests (0.4%)`. */
export function ofRequestsText (count: number, requests: RouteRequestCount | null): string {
  if (requests === null || count > requests.atMost) return ''
  const most = requests.atMost > requests.count ? 'at least ' : ''
  const share = count > requests.count ? '' : ` (${most === '' ? '' : 'at most '}${percentText(count / requests.count)})`
  return `${countText(count)} of ${most}${countText(requests.count)} ${plural(requests.count, 'request')}${share}`
}

/** The phases in which reads failed, if there is more than one. */
export function phasesText ({ phases, count }: Section): string[] {
  const named = (Object.entries(phases) as [ReportedPhase, number][]).map(([phase, reads]) => `${phase} ${percentText(reads / count)}`)
  return named.length < 2 ? [] : [`By phase: ${named.join(', ')}.`]
}

/** The text for a log without a record that counts. */
export function nothingText ({ doubtful }: InputCounts): string {
  return doubtful === 0 ? 'No read failed.' : 'Every record in it may have been sent by a client: the log does not say whether a read failed.'
}

export function periodText ({ failed, observed }: Report): string {
  const first = [failed.first, observed.first].filter(time => time !== null).sort()[0]
  const last = [failed.last, observed.last].filter(time => time !== null).sort().at(-1)
  if (first === undefined || last === undefined) return ''
  const step = Math.min(...[failed, observed].filter(section => section.count > 0).map(section => section.timeline.bucketMs))
  return `${timeText(first, step)} to ${timeText(last, step)} UTC`
}

export function failedText ({ count, blame, perHour }: Section, requests: Report['requests']): string {
  const share = requests === null || requests.failedShare === null ? '' : `, of ${countText(requests.exchanges)} requests (${percentText(requests.failedShare)})`
  const rate = perHour === null ? '' : `, ${amountText(perHour)} per hour`
  return `${countText(count)} ${plural(count, 'read')} failed${share}${rate}: ${blameText(count, blame)}.`
}

/** How many reads are missing in everything that is shown over time. */
export function untimedText ({ count, untimed }: Section): string[] {
  if (untimed === 0) return []
  if (untimed === count) return ['No record has a time: nothing can be shown over time.']
  return [`${untimed === 1 ? 'One record has no time, and is' : `${countText(untimed)} records have no time, and are`} left out of everything shown over time.`]
}

/** A client that leaves ends its read in either mode, so enforcing would not have cut it. */
export function observedText ({ count, blame }: Section): string {
  const left = blame.client_gone === 0 ? '' : ` In ${countText(blame.client_gone)} the client left by itself.`
  return `${countText(count)} ${plural(count, 'read')} recorded in observe mode; enforcing the limits would have cut ${countText(count - blame.client_gone)}.${left}`
}

function blameText (count: number, { client_slow: slow, client_gone: gone, client_invalid: invalid }: Section['blame']): string {
  return `${percentText(slow / count)} slow clients, ${percentText(gone / count)} clients that left, ${percentText(invalid / count)} invalid requests`
}

function plural (count: number, noun: string): string {
  return count === 1 ? noun : `${noun}s`
}
