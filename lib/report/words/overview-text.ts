import { countText, percentText, timeText } from './amount-text.js'
import type { InputCounts, Report, Section } from '../report.js'

/** Sentences about the lines that were read, and those that were passed over. */
export function inputText (input: InputCounts): string[] {
  const { lines, records, notJson, tooLong, doubtful, filteredOut, suppressed, damaged } = input
  const passedOver = [
    ...notJson === 0 ? [] : [`${countText(notJson)} not JSON`],
    ...tooLong === 0 ? [] : [`${countText(tooLong)} longer than 1 MiB`],
    ...doubtful === 0 ? [] : [`${countText(doubtful)} with a record that the guard has not logged so`]
  ]
  return [
    `${countText(lines)} ${plural(lines, 'line')}, ${countText(records)} of them ${records === 1 ? 'the record of a read' : 'records of reads'}${passedOver.length === 0 ? '' : `; passed over: ${passedOver.join(', ')}`}.`,
    ...filteredOut === 0 ? [] : [`${countText(filteredOut)} ${plural(filteredOut, 'record')} left out by --since, --until or --route.`],
    ...suppressed === 0 ? [] : [`${countText(suppressed)} more ${plural(suppressed, 'record')} never came into the log, because of the guard's logLimit: they are not in the numbers below.`],
    ...damaged.length === 0 ? [] : [`Damaged or breaking off, and read up to there: ${damaged.join(', ')}.`]
  ]
}

export function periodText ({ failed, observed }: Report): string {
  const first = [failed.first, observed.first].filter(time => time !== null).sort()[0]
  const last = [failed.last, observed.last].filter(time => time !== null).sort().at(-1)
  if (first === undefined || last === undefined) return ''
  const step = Math.min(...[failed, observed].filter(section => section.count > 0).map(section => section.timeline.bucketMs))
  return `${timeText(first, step)} to ${timeText(last, step)} UTC`
}

export function failedText ({ count, blame }: Section): string {
  return `${countText(count)} ${plural(count, 'read')} failed: ${blameText(count, blame)}.`
}

/** Tells how many reads are missing wherever time is shown. */
export function untimedText ({ count, untimed }: Section): string[] {
  if (untimed === 0) return []
  const which = untimed === count ? 'None of the records says when it was' : untimed === 1 ? 'One record does not say when it was' : `${countText(untimed)} records do not say when they were`
  return [`${which}: not in what is shown over time.`]
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
