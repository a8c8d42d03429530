import { amountText, bytesText, countText, durationText, percentText, rateText, timeText } from './amount-text.js'
import type { LimitKind } from '../reasons.js'
import type { LimitAdvice, Population, SectionKind, Verdict } from '../report.js'

/** The verdict on a limit, with the numbers behind it. */
export function verdictText ({ option, reason, kind, limit, count, verdict }: LimitAdvice, sectionKind: SectionKind): string {
  return [actionText(option, kind, verdict, limit?.max), reasonText(count, kind, verdict, { cut: cutText(count, sectionKind), far: reason.startsWith('response') ? 'far on' : 'more than half done' }), ...roomText(option, verdict), ...lookAtText(verdict)].join(' ')
}

function actionText (option: string, kind: LimitKind, { action, population, to }: Verdict, inForce: number | undefined): string {
  const value = to === null ? '' : ` to ${optionText(kind, to)}`
  const higher = (to ?? 0) > (inForce ?? Infinity) ? 'Raise' : 'Lower'
  return {
    keep: `Keep ${option}: ${keptFor[population]}.`,
    attack: `Keep ${option}: this looks like an attack (${keptFor[population]}).`,
    loosen: `${kind === 'rate' ? 'Lower' : 'Raise'} ${option}${value}: ${keptFor[population]}.`,
    tighten: `${higher} ${option}${value}, if you like: no request that succeeded needs that much.`
  }[action]
}

const keptFor: Readonly<Record<Population, string>> = {
  honest_clients: 'it ends honest-looking reads of many clients',
  slow_customer: 'one client on a slow network; a limit of its own, with setLimits(), helps it alone',
  broken_client: 'one client, which fails again and again in the same way',
  one_client: 'one client',
  outage: 'an outage; most reads failed within a quarter of an hour',
  slowloris: 'slowloris: heads that never end',
  slow_post: 'slow POST: bodies that hardly begin',
  slow_reader: 'slow reading: responses that are not taken',
  unclear: 'these reads show no pattern that speaks against it'
}

function reasonText (count: number, kind: LimitKind, verdict: Verdict, { cut, far }: { readonly cut: string, readonly far: string }): string {
  const { honest, honestClients, clients, busiestShare, hardlyBegun, alike, atOnce, window } = verdict
  const reads = `${countText(count)} ${count === 1 ? 'read' : 'reads'} of ${clientsText(clients)} ${cut}`
  const facts = [
    ...honest === 0 ? [] : [`${countText(honest)} of them still moving and ${far} (${clientsText(honestClients)})`],
    ...hardlyBegun === 0 || kind === 'size' ? [] : [`${countText(hardlyBegun)} hardly begun`],
    ...alike < 3 || alike * 2 < count ? [] : [`${countText(alike)} alike in length and progress`],
    ...clients < 2 ? [] : [`${percentText(busiestShare)} by the busiest client`],
    ...atOnce === null || atOnce < 1.5 ? [] : [`about ${amountText(atOnce)} at a time`],
    ...window === null ? [] : [`${percentText(window.share)} from ${timeText(window.from)} to ${timeText(window.to)}`]
  ]
  return `${reads}${facts.length === 0 ? '' : `: ${facts.join(', ')}`}.`
}

function cutText (count: number, sectionKind: SectionKind): string {
  return { failed: count === 1 ? 'was cut' : 'were cut', observed: 'would have been cut' }[sectionKind]
}

function clientsText (clients: number): string {
  return clients === 1 ? 'one client' : `${countText(clients)} clients`
}

function roomText (option: string, { succeeded }: Verdict): string[] {
  if (succeeded === null) return []
  return [`Of ${countText(succeeded.count)} requests that succeeded, 99.9% took no more than ${durationText(succeeded.ms)} in all: ${option} has room down to ${durationText(succeeded.limit)}.`]
}

function lookAtText ({ lookAt }: Verdict): string[] {
  return lookAt.length === 0 ? [] : [`Look at ${lookAt.map(({ client, count }) => `${client} (${countText(count)})`).join(', ')}.`]
}

function optionText (kind: LimitKind, value: number): string {
  if (kind === 'rate') return rateText(value)
  return kind === 'size' ? `${bytesText(value)} (${countText(value)} bytes)` : `${durationText(value)} (${countText(value)} ms)`
}
