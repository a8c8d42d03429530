import { isJsonObject, loggedAbort, looksLikeAbort, timeOf, type JsonObject, type LoggedAbort } from './logged-abort.js'

/** The line in which a journal says how many records its `logLimit` kept out of the log. */
export interface SuppressedLine {
  readonly suppressed: number
  readonly time: number | undefined
}

export type ParsedLine = LoggedAbort | SuppressedLine | 'other' | 'not json'

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
  const abort = parsed['abort']
  if (looksLikeAbort(abort)) return loggedAbort(abort, time)
  const suppressed = suppressedIn(parsed)
  if (suppressed !== undefined) return { suppressed, time }
  return nestedIn(parsed, time) ?? 'other'
}

/**
 * One level down, where pino's `nestedKey` puts what is logged. There the message has to be the right one too: an
 * application that logs what clients send (`{ body: request.body }`) must not let them write the report.
 */
function nestedIn (line: JsonObject, time: number | undefined): LoggedAbort | SuppressedLine | undefined {
  for (const value of Object.values(line)) {
    if (!isJsonObject(value)) continue
    const abort = value['abort']
    if (looksLikeAbort(abort) && (says(line, message) || says(value, message))) return loggedAbort(abort, time)
    const suppressed = suppressedIn(value)
    if (suppressed !== undefined && says(line, `${suppressed} records of aborted request reads were left out of the log`)) return { suppressed, time }
  }
  return undefined
}

/** Whether some key has this text: which one is up to `messageKey`. */
function says (object: JsonObject, text: string): boolean {
  return Object.values(object).includes(text)
}

function suppressedIn (object: JsonObject): number | undefined {
  const count = object['abortsSuppressed']
  return typeof count === 'number' && Number.isSafeInteger(count) && count > 0 ? count : undefined
}
