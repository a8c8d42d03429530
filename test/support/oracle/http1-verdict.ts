import type { AbortRecord } from '../../../lib/index.js'
import type { World } from '../app/hostile-app.js'
import type { Http1Script } from '../client/http1-script.js'
import type { Played } from '../client/play-http1.js'

/** As the application's own listener of upgrades says. */
const UPGRADE_REFUSED = 426

/** What of its answers can't be, whatever the client did. */
function wrongAnswers ({ methods, urls, expecting, isMutated, isRaw }: Http1Script, { answers, end, unasked }: Played, { server, hasClientErrorHandler }: World): string[] {
  const wrong: string[] = []
  const { finals, isUpgraded, rest, interim } = answers
  const isCapped = (server.maxRequestsPerSocket ?? 0) > 0
  if (isRaw) return wrong
  if (unasked > 0) wrong.push(`${unasked} interim answers that were not asked for`)
  // Bytes after the body of a request, or changed ones, may make one more of it.
  if (!isMutated && finals.length > methods.length + 1) wrong.push(`${finals.length} answers to ${methods.length} requests`)
  let isOver = false
  for (const [index, { statusCode, headers, isWhole, interim }] of finals.entries()) {
    const id = headers['x-id']
    // Where a connection may have so many requests, Node answers all that come with the last, one by one.
    // A listener of upgrades writes past the order of answers, and what the handler before it will say is not known by then.
    if (isOver && !isCapped && statusCode !== UPGRADE_REFUSED) wrong.push(`an answer after the last, ${index}`)
    if (!isMutated && id !== undefined && urls[index]?.endsWith(`-${id}`) !== true) wrong.push(`answer ${index} is to request ${id}`)
    if (!isMutated && interim > (expecting[index] === true ? 1 : 0)) wrong.push(`${interim} interim answers to request ${index}`)
    if (!isWhole && index < finals.length - 1) wrong.push(`half of answer ${index}`)
    if (headers['connection'] === 'close') isOver = true
  }
  if (!isUpgraded && interim > 1) wrong.push(`${interim} interim answers at the end`)
  // The application's own answer to a client error may come in the middle of another.
  const hasBroken = finals.at(-1)?.isWhole === false || (hasClientErrorHandler && rest.includes(' 418 '))
  // What was cut in a head is no harm of its own.
  if (!isUpgraded && rest !== '' && !hasBroken && (isOver || !'HTTP/1.'.startsWith(rest.slice(0, 7)))) wrong.push(`bytes after the last answer (${end}): ${JSON.stringify(rest.slice(0, 80))}`)
  return wrong
}

/** What of the records of one connection can't be, whatever its client did. */
function wrongRecords (records: readonly AbortRecord[]): string[] {
  const wrong: string[] = []
  const counts = new Map<string, number>()
  for (const { url, phase, observed } of records) {
    // What was only observed goes on, and may fail in a later phase.
    const read = `${observed || phase === 'handshake' ? phase : 'read'} ${url ?? ''}`
    counts.set(read, (counts.get(read) ?? 0) + 1)
  }
  for (const [read, count] of counts) if (count > 1) wrong.push(`${count} records of ${read}`)
  return wrong
}

const statusOf: Partial<Record<AbortRecord['reason'], readonly number[]>> = {
  headers_too_large: [431], malformed: [400, 501], body_idle_timeout: [408], body_timeout: [408], body_too_slow: [408]
}

/** What differs from what the client must see. */
function disappointments ({ answered, then }: Http1Script, { answers: { finals }, isClosedByServer }: Played, records: readonly AbortRecord[]): string[] {
  const wrong: string[] = []
  for (const [index, statusCode] of answered.entries()) {
    const answer = finals[index]
    if (answer?.statusCode !== statusCode) wrong.push(`answer ${index} is ${answer?.statusCode} instead of ${statusCode}`)
    else if (!answer.isWhole) wrong.push(`answer ${index} is cut`)
  }
  const told = records.map(({ phase, reason, url }) => `${phase} ${reason} ${url ?? ''}`)
  if (then === 'nothing' && records.length > 0) wrong.push(`records of an innocent: ${told.join()}`)
  if (typeof then === 'object') {
    const [record] = records
    if (record === undefined || records.length > 1) wrong.push(`${records.length} records instead of one of ${then.reasons.join(' or ')}: ${told.join()}`)
    else if (!then.phases.includes(record.phase) || !then.reasons.includes(record.reason)) wrong.push(`${told.join()} recorded instead of ${then.phases.join(' or ')} ${then.reasons.join(' or ')}`)
    if (!isClosedByServer) wrong.push('the server does not close after a failed read')
  }
  return wrong
}

/** A record that says it was answered, of which the client has no answer. */
function unansweredRecords ({ answered, then, ending }: Http1Script, { answers: { finals } }: Played, records: readonly AbortRecord[], hasOwnAnswer: boolean): string[] {
  const [record] = records
  if (typeof then !== 'object' || ending.how !== 'stays' || record === undefined || hasOwnAnswer) return []
  const answer = finals[answered.length]
  const statuses = statusOf[record.reason] ?? []
  if (!record.answered) return [`not answered: ${record.reason}, the client got ${answer?.statusCode}`]
  return answer !== undefined && statuses.includes(answer.statusCode) && answer.isWhole ? [] : [`${record.reason} is answered with ${answer?.statusCode}`]
}

/** What is wrong with what a client saw and what is recorded of it. */
export function verdict (script: Http1Script, played: Played, records: readonly AbortRecord[], isAnswerSure: boolean, world: World): string[] {
  return [
    ...wrongAnswers(script, played, world),
    ...wrongRecords(records),
    ...disappointments(script, played, records),
    ...isAnswerSure ? unansweredRecords(script, played, records, false) : []
  ]
}
