import { isJsonObject, loggedAbort, looksLikeAbort, timeOf, type JsonObject, type LoggedAbort } from './logged-abort.js'
import { requestKey, type Completed, type Incoming } from './request-line.js'

/** Everything that the report is made from, as it is found in lines. */
export interface LogSink {
  abort (abort: LoggedAbort): void
  /** The line in which a journal says how many records its `logLimit` kept out of the log. */
  suppressed (count: number, time: number | undefined): void
  /** A record, but not in a line as the guard's journal writes it. */
  doubtful (): void
  incoming (request: Incoming): void
  completed (request: Completed): void
}

/** The kind of a line: written by a logger, other JSON, truncated JSON, or text. */
export type Content = 'log' | 'json' | 'broken' | 'text'

/** The second message is that of observed records; earlier versions wrote those with the first one as well. */
const messages = ['request read aborted', 'request read would have been aborted']

/** Keys of the message, in pino's lines and in those of programs that pass them on. */
const messageKeys = ['msg', 'message']

/** Keys whose value may be an object that a platform has made from the line. They come first: text beside them belongs to it. */
const objectKeys = ['jsonPayload', 'attributes', '_source', 'content', 'event', 'log', 'message', 'MESSAGE', 'line', 'data', 'result', 'hits']
/** Keys whose value may be the line as text. */
const textKeys = ['log', 'MESSAGE', 'message', 'line', 'textPayload', '@message', 'event', '_raw']
/** Keys whose value may be a list of such lines. */
const listKeys = ['events', 'data', 'result', 'values', 'hits', 'entries', 'logs', 'records', 'results']
/** If one of these is not empty it is the parsed line; a text beside it is only its message. */
const parsedKeys = ['jsonPayload', 'attributes']
/** Keys that an agent adds to the text of a line that it has not parsed. */
const agentKeys = new Set(['message', 'log', 'stream', 'logtag', 'time', 'timestamp', 'tag'])

/** How many nested wrappings, and lists in them, are searched. */
const deepest = 3
const mostLists = 3

interface Place {
  /** How many wrappings there are around it. */
  readonly depth: number
  readonly lists: number
  /** The messages that stand beside the wrappings around it. */
  readonly messages: readonly unknown[]
  /** The key that it stands under. */
  readonly key?: string
}

const outermost: Place = { depth: 0, lists: 0, messages: [] }

/** Finds records and requests in a line. */
export function readLine (line: string, sink: LogSink): Content {
  return readText(line, outermost, sink)
}

function readText (text: string, place: Place, sink: LogSink): Content {
  // An array is read element by element, and each element begins a line; in text a bracket means nothing.
  const opening = text.startsWith('["') ? 0 : text.indexOf('{')
  const start = opening === 0 ? 0 : text.startsWith('"{') ? 0 : text.indexOf('{"')
  if (start === -1) return 'text'
  const raw = text.slice(start, endOf(text, start))
  const parsed = parse(raw)
  if (parsed === undefined) return 'broken'
  return readValue(parsed, raw, place, sink)
}

function endOf (text: string, start: number): number {
  const closing = text[start] === '[' ? ']' : text[start] === '"' ? '"' : '}'
  return text.lastIndexOf(closing) + 1
}

function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text.startsWith('{""') ? parseCsv(text) : undefined
  }
}

/** In a CSV file each quotation mark of a field is written twice. */
function parseCsv (text: string): unknown {
  try {
    return JSON.parse(text.replaceAll('""', '"'))
  } catch {
    return undefined
  }
}

function readValue (value: unknown, raw: string | undefined, place: Place, sink: LogSink): Content {
  if (typeof value === 'string') return place.depth < deepest + 1 ? readText(value, { ...outermost, depth: place.depth, lists: place.lists }, sink) : 'text'
  if (Array.isArray(value)) return place.lists < mostLists ? readList(value, place, sink) : 'json'
  return isJsonObject(value) ? readObject(value, raw, place, sink) : 'json'
}

function readList (list: readonly unknown[], place: Place, sink: LogSink): Content {
  const inside = { ...place, lists: place.lists + 1, messages: [] }
  let found: Content = 'json'
  for (const element of list) if (readValue(element, undefined, inside, sink) === 'log') found = 'log'
  return found
}

function readObject (object: JsonObject, raw: string | undefined, place: Place, sink: LogSink): Content {
  const beside = [...place.messages, ...messageKeys.map(key => object[key]).filter(value => value !== undefined)]
  const isLine = isLoggersLine(object, place)
  // Pino's `nestedKey` puts the record one level down, behind all bindings. In an object that is a wrapping the wrapped one comes later.
  const nested = Object.entries(object).filter(([key, value]) => isJsonObject(value) && (isLine || !objectKeys.includes(key))).map(([, value]) => value).reverse()
  for (const logged of [object, ...nested]) {
    if (!isJsonObject(logged)) continue
    if (take(logged, text => raw?.endsWith(`${text}"}`) === true || (beside.length > 0 && beside.every(value => typeof value === 'string' && value.endsWith(text))), timeOf(object['time']), sink)) return 'log'
  }
  if (isLine) {
    takeRequest(object, [object, ...nested.filter(isJsonObject)], beside, sink)
    return 'log'
  }
  return place.depth < deepest ? readWrapped(object, beside, place, sink) : 'json'
}

/** @returns whether it contains a record or the summary of those left out, good or doubtful */
function take (object: JsonObject, hasMessage: (text: string) => boolean, time: number | undefined, sink: LogSink): boolean {
  const abort = object['abort']
  const suppressed = object['abortsSuppressed']
  if (looksLikeAbort(abort)) {
    if (messages.some(hasMessage)) sink.abort(loggedAbort(abort, time))
    else sink.doubtful()
    return true
  }
  if (typeof suppressed !== 'number' || !Number.isSafeInteger(suppressed) || suppressed <= 0) return false
  if (hasMessage(`${suppressed} records of aborted request reads were left out of the log`)) sink.suppressed(suppressed, time)
  else sink.doubtful()
  return true
}

/**
 * Tells a line of a logger from the wrapping of a platform. A text inside a logger's line may come from a client, so it is never
 * read as a line. Pino writes `level`; an application may name it differently, but then has kept pid and host name.
 */
function isLoggersLine (object: JsonObject, { key }: Place): boolean {
  const has = (name: string) => object[name] !== undefined
  if ((has('pid') && has('hostname')) || has('log.level')) return true // the second is the Elastic Common Schema's
  if (key === 'jsonPayload') return !Object.keys(object).every(name => agentKeys.has(name))
  const level = object['level'] ?? object['severity']
  if (typeof level === 'number') return true
  if (typeof object['time'] === 'number' && has('message')) return true
  return typeof level === 'string' && ['msg', 'time', 'reqId', 'pid', 'hostname'].some(has)
}

/** Reads the wrapping of a platform: it contains the line itself, or an object made from it. */
function readWrapped (object: JsonObject, beside: readonly unknown[], place: Place, sink: LogSink): Content {
  let found: Content = 'json'
  for (const key of objectKeys) {
    const value = object[key]
    if (!isJsonObject(value)) continue
    const content = readObject(value, undefined, { ...place, key, depth: place.depth + 1, messages: beside }, sink)
    if (content === 'log') return 'log'
  }
  for (const key of listKeys) {
    const value = object[key]
    if (Array.isArray(value) && place.lists < mostLists && readList(value, { ...place, key, depth: place.depth }, sink) === 'log') found = 'log'
  }
  if (found === 'log' || parsedKeys.some(key => isJsonObject(object[key]) && Object.keys(object[key]).length > 0)) return found
  for (const key of textKeys) {
    const value = object[key]
    if (typeof value !== 'string') continue
    const content = readText(value, { ...outermost, depth: place.depth + 1, lists: place.lists }, sink)
    if (content === 'log') return 'log'
    if (content === 'broken') found = 'broken'
    else if (found === 'json') found = content
  }
  return found
}

/** Reads Fastify's two lines about a request, and any line with a `responseTime`, as pino-http writes it. */
function takeRequest (line: JsonObject, places: readonly JsonObject[], beside: readonly unknown[], sink: LogSink): void {
  const find = (key: string) => places.find(place => place[key] !== undefined)?.[key]
  const req = find('req')
  const { method, url } = isJsonObject(req) ? req : {}
  const id = find('reqId')
  const about = {
    id: typeof id === 'string' || typeof id === 'number' ? requestKey(line['pid'], line['hostname'], id) : undefined,
    method: typeof method === 'string' ? method : undefined,
    url: typeof url === 'string' ? url : undefined,
    time: timeOf(line['time'])
  }
  const responseTime = find('responseTime')
  const res = find('res')
  const status = isJsonObject(res) ? res['statusCode'] : undefined
  if (typeof responseTime === 'number' && responseTime >= 0) sink.completed({ ...about, isOver: true, responseTime, statusCode: typeof status === 'number' ? status : 0 })
  else if (about.url !== undefined && beside.some(value => value === 'incoming request')) sink.incoming(about)
}
