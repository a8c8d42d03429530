import { isJsonObject, loggedAbort, looksLikeAbort, timeOf, type JsonObject, type LoggedAbort } from './logged-abort.js'

/** The line in which a journal says how many records its `logLimit` kept out of the log. */
interface SuppressedLine {
  readonly suppressed: number
  readonly time: number | undefined
}

/** `doubtful`: it contains what a journal would write, but does not end as the journal's lines do. */
export type ParsedLine = LoggedAbort | SuppressedLine | 'doubtful' | 'other' | 'not json'

const message = 'request read aborted'

/** What a line of the log says that the report is about. */
export function parseLine (line: string): ParsedLine {
  let parsed: unknown
  try {
    parsed = JSON.parse(line)
  } catch {
    return 'not json'
  }
  if (!isJsonObject(parsed)) return 'not json'
  const time = timeOf(parsed['time'])
  // One level down, behind all bindings, is where pino's `nestedKey` puts what is logged.
  for (const logged of [parsed, ...Object.values(parsed).filter(isJsonObject).reverse()]) {
    const abort = logged['abort']
    if (looksLikeAbort(abort)) return says(line, parsed, message) ? loggedAbort(abort, time) : 'doubtful'
    const suppressed = suppressedIn(logged)
    if (suppressed !== undefined) return says(line, parsed, `${suppressed} records of aborted request reads were left out of the log`) ? { suppressed, time } : 'doubtful'
  }
  return 'other'
}

/** Under which pino, and those who pass its lines on, have the message. */
const messageKeys = ['msg', 'message']

/**
 * Whether it is a line with this message. Pino writes the message behind everything else, under whatever `messageKey` and
 * with whatever `msgPrefix`; who passes lines on may put keys in another order, and more behind them. So what a client
 * made a server log (`{ body: request.body }`, or the body itself) can't pass for a record: the message of the application
 * stands behind it, and of a key that occurs twice the later one counts. (Only an application that logs a body as it is and
 * without a message lets clients write whole lines.)
 */
function says (line: string, parsed: JsonObject, text: string): boolean {
  if (line.endsWith(`${text}"}`)) return true
  const messages = messageKeys.map(key => parsed[key]).filter(value => value !== undefined)
  return messages.length > 0 && messages.every(value => typeof value === 'string' && value.endsWith(text))
}

function suppressedIn (object: JsonObject): number | undefined {
  const count = object['abortsSuppressed']
  return typeof count === 'number' && Number.isSafeInteger(count) && count > 0 ? count : undefined
}
