/** A request that began, as far as its line tells. */
export interface Incoming {
  readonly isOver?: false
  /** Identifies the request within the log; `undefined` if the line has no id. */
  readonly id: number | undefined
  readonly method: string | undefined
  readonly url: string | undefined
}

/** A request that is over. */
export interface Completed extends Omit<Incoming, 'isOver'> {
  readonly isOver: true
  readonly time: number | undefined
  /** Milliseconds from the request's head to the end of the response. */
  readonly responseTime: number
  /** 0 if the line has none. */
  readonly statusCode: number
}

/** The texts to look for in a line that is escaped so many times: a client's text in it is escaped once more. */
function keysFor (quote: string) {
  const key = (name: string) => `${quote}${name}${quote}:`
  return {
    quote,
    time: key('time'),
    pid: key('pid'),
    hostname: key('hostname') + quote,
    reqId: key('reqId'),
    method: key('method') + quote,
    url: key('url') + quote,
    statusCode: key('statusCode'),
    responseTime: key('responseTime'),
    incoming: `${quote}incoming request${quote}}`,
    completed: `${quote}request completed${quote}}`,
    errored: `${quote}request errored${quote}}`
  }
}

/** By the number of backslashes before each quotation mark: of a bare line, of one in a string, and of one in a string in a string. */
const keys: Readonly<Record<number, ReturnType<typeof keysFor>>> = { 0: keysFor('"'), 1: keysFor('\\"'), 3: keysFor('\\\\\\"') }

/**
 * Reads one of Fastify's two lines about a request without parsing it: most lines of a log are such.
 * @param line from its brace on, escaped or not; more may follow
 * @returns `undefined` for any other line
 */
export function requestLine (line: string): Incoming | Completed | undefined {
  const found = keys[line.indexOf('"') - 1]
  if (found === undefined) return undefined
  if (endsWith(line, found.incoming)) return incomingOf(line, found)
  return endsWith(line, found.completed) || endsWith(line, found.errored) ? completedOf(line, found) : undefined
}

/** Pino writes the message last: no key and no other brace follows it, unlike text that a client has sent. */
function endsWith (line: string, message: string): boolean {
  const at = line.lastIndexOf(message)
  if (at === -1) return false
  const next = line.charCodeAt(at + message.length)
  return next !== comma && next !== closeBrace
}

const comma = 0x2c
const closeBrace = 0x7d

type Keys = ReturnType<typeof keysFor>

function incomingOf (line: string, keys: Keys): Incoming | undefined {
  const url = textAt(line, keys.url, keys)
  return url === undefined ? undefined : { id: idOf(line, keys), method: textAt(line, keys.method, keys), url }
}

function completedOf (line: string, keys: Keys): Completed | undefined {
  const responseTime = numberAt(line, keys.responseTime)
  if (responseTime === undefined) return undefined
  const url = textAt(line, keys.url, keys) // Fastify has none here, pino-http has
  return {
    isOver: true,
    id: idOf(line, keys),
    method: url === undefined ? undefined : textAt(line, keys.method, keys),
    url,
    time: numberAt(line, keys.time),
    responseTime,
    statusCode: numberAt(line, keys.statusCode) ?? 0
  }
}

/** The part between process and request that most lines share, and its hash. */
let base = { text: '', hash: 0 }

function idOf (line: string, keys: Keys): number | undefined {
  const start = line.indexOf(keys.pid)
  const isKnown = start !== -1 && base.text !== '' && line.startsWith(base.text, start) && line.startsWith(keys.reqId, start + base.text.length)
  const at = isKnown ? start + base.text.length : line.indexOf(keys.reqId)
  if (at === -1) return undefined
  if (!isKnown) {
    const hash = processHash(numberAt(line, keys.pid), textAt(line, keys.hostname, keys))
    base = { text: start === -1 || start > at ? '' : Buffer.from(line.slice(start, at), 'latin1').toString('latin1'), hash } // a copy: the line is a piece of a whole chunk
  }
  const from = at + keys.reqId.length + keys.quote.length
  const end = line.indexOf(keys.quote, from)
  return line.startsWith(keys.quote, from - keys.quote.length) && end !== -1 ? hashed(line, from, end, base.hash) : undefined
}

function numberAt (line: string, key: string): number | undefined {
  const at = line.indexOf(key)
  return at === -1 ? undefined : numberFrom(line, at + key.length)
}

/** A number without a sign or an exponent, as these lines have them. */
function numberFrom (line: string, start: number): number | undefined {
  let value = 0
  let at = start
  for (let digit = line.charCodeAt(at) - zero; digit >= 0 && digit <= 9; digit = line.charCodeAt(++at) - zero) value = value * 10 + digit
  if (at === start) return undefined
  if (line.charCodeAt(at) !== point) return value
  let scale = 1
  for (let digit = line.charCodeAt(++at) - zero; digit >= 0 && digit <= 9; digit = line.charCodeAt(++at) - zero) value += digit * (scale /= 10)
  return value
}

const zero = 0x30
const point = 0x2e

/** The text up to the next quotation mark. */
function textAt (line: string, key: string, { quote }: Keys): string | undefined {
  const at = line.indexOf(key)
  if (at === -1) return undefined
  const start = at + key.length
  const end = line.indexOf(quote, start)
  return end === -1 ? undefined : line.slice(start, end)
}

/** A number for the three fields that identify a request in the log of several processes. */
export function requestKey (pid: unknown, hostname: unknown, id: string | number): number {
  const text = String(id)
  return hashed(text, 0, text.length, processHash(pid, hostname))
}

function processHash (pid: unknown, hostname: unknown): number {
  const name = typeof hostname === 'string' ? hostname : ''
  return hashed(name, 0, name.length, typeof pid === 'number' ? pid : 0)
}

/** Whether a bare line is Fastify's about a request that began: most lines of a log are one of these two. */
export function endsAsIncoming (text: string, end: number): boolean {
  return text.startsWith('"incoming request"}', end - 19)
}

/** 53 bits of a part of a text, on from a number (cyrb53). */
function hashed (text: string, start: number, end: number, seed: number): number {
  let high = 0xdeadbeef ^ seed
  let low = 0x41c6ce57 ^ (seed / 0x1_0000_0000)
  for (let index = start; index < end; index++) {
    const code = text.charCodeAt(index)
    high = Math.imul(high ^ code, 2_654_435_761)
    low = Math.imul(low ^ code, 1_597_334_677)
  }
  high = Math.imul(high ^ (high >>> 16), 2_246_822_507) ^ Math.imul(low ^ (low >>> 13), 3_266_489_909)
  low = Math.imul(low ^ (low >>> 16), 2_246_822_507) ^ Math.imul(high ^ (high >>> 13), 3_266_489_909)
  return 4_294_967_296 * (2_097_151 & low) + (high >>> 0)
}
