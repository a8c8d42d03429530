import { type Content, type LogSink, readLine } from './log-line.js'
import { LineScanner, longestLine, type LineSink, type ScannedLine } from './line-scanner.js'
import { endsAsIncoming, requestLine, type Completed } from './request-line.js'
import type { PassedOver, Wrapping } from '../report.js'

export interface LineCounts {
  /** Lines that are not blank. The elements of an array are counted as lines. */
  lines: number
  readonly kinds: Record<Wrapping, number>
  readonly passedOver: Record<PassedOver, number>
  /** Lines that are only a part of the one after them. */
  parts: number
}

/** Every line that matters contains one of these, whatever its wrapping, or is Fastify's line about a request that began. */
const markers = ['FST_READ_', 'abortsSuppressed', 'responseTime']
const isRecord = 0b011
const isRequest = 0b100
const incoming = 'incoming request'

/** How many bytes of the log are kept for the requests that began in them. */
const mostBegun = 524_288

/** How many lines that are not log lines are kept as samples, to describe the file by. */
const mostSamples = 50
const longestSample = 200

const criLine = /\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) (stdout|stderr) ([FP])(?::\S*)? /y
/** The start of a line of pino's, however often it is escaped. */
const lineStart = /\{\\*"level\\*":/
/** Texts that a logger's line contains, whatever its wrapping. */
const loggersKey = /"(?:log\.)?level\\*":|"severity\\*":|"pid\\*":/

/** Takes a log apart into log lines, whatever their wrapping, and counts all other lines. */
export class LogReader implements LineSink {
  readonly counts: LineCounts = {
    lines: 0,
    kinds: { pino: 0, docker: 0, cri: 0, journald: 0, gcp: 0, wrapped: 0, prefixed: 0 },
    passedOver: { text: 0, json: 0, broken: 0, tooLong: 0 },
    parts: 0
  }

  /** The first lines that are not log lines, cut to 200 characters. */
  readonly samples: string[] = []
  readonly #sink: LogSink
  readonly #scanner = new LineScanner(markers, this)
  /** Parts of lines that are not complete yet, by stream: standard output and error are written to one file. */
  readonly #parts = new Map<string, { chunks: Buffer[], size: number }>()

  /** Requests that began, until a line says that one has ended. */
  #begun: Begun[] | undefined = []

  constructor (sink: LogSink) {
    this.#sink = sink
  }

  write (chunk: Buffer): void {
    this.#scanner.write(chunk)
  }

  /** Ends an input. */
  end (): void {
    this.#scanner.end()
    for (const stream of this.#parts.keys()) this.#abandon(stream)
  }

  get logLines (): number {
    return Object.values(this.counts.kinds).reduce((sum, count) => sum + count, 0)
  }

  line (line: ScannedLine): void {
    this.counts.lines++
    const { text, start, end } = line
    const first = text.charCodeAt(start)
    if (first === openBrace) {
      if (text.startsWith('{"log":"', start)) this.#docker(line)
      else this.#content(line, undefined)
    } else if (first >= zero && first <= nine) {
      criLine.lastIndex = start
      const cri = criLine.exec(text)
      if (cri !== null && criLine.lastIndex <= end) this.#cri(line, criLine.lastIndex, cri[1] ?? '', cri[2] === 'P')
      else this.#content(line, undefined)
    } else this.#content(line, undefined)
  }

  tooLong (): void {
    this.counts.lines++
    this.counts.passedOver.tooLong++
  }

  broken (): void {
    this.counts.lines++
    this.counts.passedOver.broken++
  }

  #cri (line: ScannedLine, start: number, stream: string, isPart: boolean): void {
    if (isPart) this.#keep(stream, line.buffer.subarray(start, line.end))
    else if (this.#parts.has(stream)) this.#join(stream, line.buffer.subarray(start, line.end), 'cri')
    else this.#content({ ...line, start }, 'cri')
  }

  /** Docker cuts a line that is longer than 16 KiB: only its last part ends with a newline. Others that write this form leave the newline out. */
  #docker (line: ScannedLine): void {
    const { text, start, end } = line
    const close = text.lastIndexOf('","stream":"', end)
    const isPart = close > start && !text.startsWith('\\n', close - 2)
    const stream = close > start ? text.slice(close + 12, close + 18) : ''
    if (!isPart && !this.#parts.has(stream)) return this.#content(line, 'docker')
    const part = logOf(line)
    if (isPart && !this.#parts.has(stream) && part !== undefined && part.endsWith('}') && isObject(part)) return this.#content(line, 'docker')
    if (part === undefined || (isPart && part[0] !== '{' && !this.#parts.has(stream))) return this.#content(line, 'docker')
    if (part.startsWith('{') && this.#parts.has(stream) && isObject(part)) {
      this.#abandon(stream) // its end never came
      this.#content(line, 'docker')
    } else if (isPart) this.#keep(stream, Buffer.from(part))
    else this.#join(stream, Buffer.from(part.trimEnd()), 'docker')
  }

  /** Keeps a copy, because a view would hold on to the whole chunk. */
  #keep (stream: string, part: Buffer): void {
    const kept = this.#parts.get(stream) ?? { chunks: [], size: 0 }
    this.#parts.set(stream, kept)
    this.counts.parts++
    kept.size += part.length
    if (kept.size > longestLine) kept.chunks = [] // it is passed over as too long at its end
    else kept.chunks.push(Buffer.from(part))
  }

  #join (stream: string, part: Buffer, wrapping: Wrapping): void {
    const { chunks = [], size = 0 } = this.#parts.get(stream) ?? {}
    this.#parts.delete(stream)
    if (size + part.length > longestLine) {
      this.counts.passedOver.tooLong++
      return
    }
    const buffer = Buffer.concat([...chunks, part])
    const text = buffer.toString('latin1', 0, buffer.length)
    const marks = markers.reduce((bits, marker, index) => text.includes(marker) ? bits | 1 << index : bits, 0)
    this.#content({ buffer, text, start: 0, end: buffer.length, marks }, wrapping)
  }

  #abandon (stream: string): void {
    this.#parts.delete(stream)
    this.counts.parts--
    this.counts.passedOver.broken++
  }

  /** @param wrapping that has been removed, or is known to be there */
  #content (line: ScannedLine, wrapping: Wrapping | undefined): void {
    const content = this.#read(line)
    if (content === 'log') {
      this.counts.kinds[wrapping ?? wrappingOf(line)]++
      return
    }
    this.counts.passedOver[content]++
    if (this.samples.length < mostSamples) this.samples.push(line.buffer.toString('utf8', line.start, Math.min(line.end, line.start + longestSample)))
  }

  #read (line: ScannedLine): Content {
    const { buffer, text, start, end, marks } = line
    if ((marks & isRecord) !== 0) return readLine(buffer.toString('utf8', start, end), this.#sink)
    const isBare = text.startsWith('{"level":', start)
    if (marks === 0 && isBare && text.charCodeAt(end - 1) === closeBrace) {
      if (endsAsIncoming(text, end)) this.#incoming(text, start, end)
      return 'log'
    }
    const content = text.slice(start, end)
    const isAboutRequest = (marks & isRequest) !== 0 || content.includes(incoming)
    if (!isAboutRequest) return contentOf(content)
    const at = isBare ? 0 : content.search(lineStart)
    const request = at === -1 ? undefined : requestLine(at === 0 ? content : content.slice(at))
    if (request === undefined) return readLine(buffer.toString('utf8', start, end), this.#sink)
    if (request.isOver === true) this.#completed(request)
    else this.#sink.incoming(request)
    return 'log'
  }

  /** Beginnings are looked up only when a line says that a request has ended: until then the last ones are kept unparsed. */
  #incoming (text: string, start: number, end: number): void {
    if (this.#begun === undefined) {
      const request = requestLine(text.slice(start, end))
      if (request !== undefined && request.isOver !== true) this.#sink.incoming(request)
      return
    }
    let newest = this.#begun.at(-1)
    if (newest?.text !== text) {
      newest = { text, starts: [], ends: [] }
      this.#begun.push(newest)
      for (let size = this.#begun.reduce((sum, { text }) => sum + text.length, 0); size > mostBegun; size -= this.#begun.shift()?.text.length ?? size);
    }
    newest.starts.push(start)
    newest.ends.push(end)
  }

  #completed (request: Completed): void {
    if (this.#begun !== undefined && request.url === undefined) {
      const kept = this.#begun
      this.#begun = undefined
      for (const { text, starts, ends } of kept) for (const [index, start] of starts.entries()) this.#incoming(text, start, ends[index] ?? start)
    }
    this.#sink.completed(request)
  }
}

/** Lines of one chunk, by their places. */
interface Begun {
  readonly text: string
  readonly starts: number[]
  readonly ends: number[]
}

const openBrace = 0x7b
const closeBrace = 0x7d
const zero = 0x30
const nine = 0x39

/** The kind of a line that does not matter to the report, as far as it can be told without parsing. */
function contentOf (line: string): Content {
  const isJson = line.startsWith('{')
  if (!isJson && !line.startsWith('"{') && !line.includes('{"')) return 'text'
  if (isJson && !line.endsWith('}')) return 'broken'
  return loggersKey.test(line) ? 'log' : isJson ? 'json' : 'text'
}

function wrappingOf ({ text, start, end }: ScannedLine): Wrapping {
  if (text.charCodeAt(start) !== openBrace) return 'prefixed'
  if (loggersStart.some(key => text.startsWith(key, start))) return 'pino'
  const line = text.slice(start, Math.min(end, start + longestWrapping))
  if (line.includes('"jsonPayload":') || line.includes('"textPayload":')) return 'gcp'
  if (line.includes('"__REALTIME_TIMESTAMP"') || line.includes('"MESSAGE"')) return 'journald'
  return wrappingKey.test(line) ? 'wrapped' : 'pino'
}

const loggersStart = ['{"level":', '{"severity":', '{"time":', '{"pid":']
const wrappingKey = /"(?:log|message|line|@message|event|attributes|values|events|data|_source|_raw|content)":[["{]/
/** A wrapping begins within so many bytes, even if labels come first. */
const longestWrapping = 600

function isObject (text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** The `log` of a line of Docker's. */
function logOf ({ buffer, start, end }: ScannedLine): string | undefined {
  try {
    const { log } = JSON.parse(buffer.toString('utf8', start, end)) as { log?: unknown }
    return typeof log === 'string' ? log : undefined
  } catch {
    return undefined
  }
}
