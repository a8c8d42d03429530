import { isJsonObject, loggedAbort, looksLikeAbort, timeOf, type JsonObject, type LoggedAbort } from './logged-abort.js'

/** The line in which a journal says how many records its `logLimit` kept out of the log. */
export interface SuppressedLine {
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
    if (looksLikeAbort(abort)) return says(line, message) ? loggedAbort(abort, time) : 'doubtful'
    const suppressed = suppressedIn(logged)
    if (suppressed !== undefined) return says(line, `${suppressed} records of aborted request reads were left out of the log`) ? { suppressed, time } : 'doubtful'
  }
  return 'other'
}

/**
 * Whether it is a line with this message. Pino writes the message behind everything else, under whatever `messageKey` and
 * with whatever `msgPrefix`. So what a client made a server log (`{ body: request.body }`, or the body itself) can't pass
 * for a record: it stands before the message of the application, also where a key occurs twice. (Only an application that
 * logs a body as it is and without a message lets clients write whole lines.)
 */
function says (line: string, text: string): boolean {
  return line.endsWith(`${text}"}`)
}

function suppressedIn (object: JsonObject): number | undefined {
  const count = object['abortsSuppressed']
  return typeof count === 'number' && Number.isSafeInteger(count) && count > 0 ? count : undefined
}
