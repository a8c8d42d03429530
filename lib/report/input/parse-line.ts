import { isJsonObject, loggedAbort, looksLikeAbort, timeOf, type JsonObject, type LoggedAbort } from './logged-abort.js'

/** The line in which a journal says how many records its `logLimit` kept out of the log. */
interface SuppressedLine {
  readonly suppressed: number
  readonly time: number | undefined
}

/** A `doubtful` line contains a record, but does not end as the lines of the guard's journal do. */
export type ParsedLine = LoggedAbort | SuppressedLine | 'doubtful' | 'other' | 'not json'

/** The second is that of observed records; earlier versions wrote those with the first one as well. */
const messages = ['request read aborted', 'request read would have been aborted']

/** Finds in a line of the log what the report is about. */
export function parseLine (line: string): ParsedLine {
  let parsed: unknown
  try {
    parsed = JSON.parse(line)
  } catch {
    return 'not json'
  }
  if (!isJsonObject(parsed)) return 'not json'
  const time = timeOf(parsed['time'])
  // Pino's `nestedKey` puts the record one level down, behind all bindings.
  for (const logged of [parsed, ...Object.values(parsed).filter(isJsonObject).reverse()]) {
    const abort = logged['abort']
    if (looksLikeAbort(abort)) return messages.some(message => hasMessage(line, parsed, message)) ? loggedAbort(abort, time) : 'doubtful'
    const suppressed = suppressedIn(logged)
    if (suppressed !== undefined) return hasMessage(line, parsed, `${suppressed} records of aborted request reads were left out of the log`) ? { suppressed, time } : 'doubtful'
  }
  return 'other'
}

/** Keys under which pino, and programs that pass its lines on, have the message. */
const messageKeys = ['msg', 'message']

/**
 * Tells whether the line has this message, so that a client cannot forge a record by having a server log one, as in
 * `{ body: request.body }`: the message of the application stands behind that, and of a key that occurs twice the later one
 * counts. Pino writes the message last, under any `messageKey` and behind any `msgPrefix`; a program that passes lines on may
 * change the order of keys, and add some. (An application that logs a body as it is, without a message, lets clients write
 * whole lines: those cannot be told.)
 */
function hasMessage (line: string, parsed: JsonObject, text: string): boolean {
  if (line.endsWith(`${text}"}`)) return true
  const messages = messageKeys.map(key => parsed[key]).filter(value => value !== undefined)
  return messages.length > 0 && messages.every(value => typeof value === 'string' && value.endsWith(text))
}

function suppressedIn (object: JsonObject): number | undefined {
  const count = object['abortsSuppressed']
  return typeof count === 'number' && Number.isSafeInteger(count) && count > 0 ? count : undefined
}
