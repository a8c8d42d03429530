/** A request that began, as far as a line tells. */
export interface Incoming {
  readonly isOver?: false
  /** Tells the request from all others in the log; `undefined` where the line has no id. */
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
  /** 0 where the line has none. */
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
 * @param line from its brace on, escaped or not; behind it may be more
 * @returns `undefined` for any other line
 */
export function requestLine (line: string): Incoming | Completed | undefined {
  const found = keys[line.indexOf('"') - 1]
  if (found === undefined) return undefined
  if (endsWith(line, found.incoming)) return incomingOf(line, found)
  return endsWith(line, found.completed) || endsWith(line, found.errored) ? completedOf(line, found) : undefined
}

/** Pino writes the message last: behind it no key follows, and no other brace, as behind what a client has sent. */
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
  const about = aboutRequest(line, keys)
  return about.url === undefined ? undefined : about
}

function completedOf (line: string, keys: Keys): Completed | undefined {
  const responseTime = numberAt(line, keys.responseTime)
  if (responseTime === undefined) return undefined
  return { ...aboutRequest(line, keys), isOver: true, time: numberAt(line, keys.time), responseTime, statusCode: numberAt(line, keys.statusCode) ?? 0 }
}

function aboutRequest (line: string, keys: Keys): Incoming {
  const id = textAt(line, keys.reqId, keys, keys.quote)
  return {
    id: id === undefined ? undefined : requestKey(numberAt(line, keys.pid), textAt(line, keys.hostname, keys), id),
    method: textAt(line, keys.method, keys),
    url: textAt(line, keys.url, keys)
  }
}

function numberAt (line: string, key: string): number | undefined {
  const at = line.indexOf(key)
  if (at === -1) return undefined
  const number = Number.parseFloat(line.slice(at + key.length, at + key.length + 20))
  return number >= 0 ? number : undefined
}

/** The text up to the next quotation mark. */
function textAt (line: string, key: string, { quote }: Keys, opening = ''): string | undefined {
  const at = line.indexOf(key)
  if (at === -1) return undefined
  const start = at + key.length + opening.length
  if (opening !== '' && !line.startsWith(opening, start - opening.length)) return undefined
  const end = line.indexOf(quote, start)
  return end === -1 ? undefined : line.slice(start, end)
}

/** A number for the three that tell a request in the log of several processes. */
export function requestKey (pid: unknown, hostname: unknown, id: string | number): number {
  return hashed(String(id), hashed(typeof hostname === 'string' ? hostname : '', typeof pid === 'number' ? pid : 0))
}

/** Whether a bare line is Fastify's about a request that began: most lines of a log are one of these two. */
export function endsAsIncoming (text: string, end: number): boolean {
  return text.startsWith('"incoming request"}', end - 19)
}

/** 53 bits of a text, on from a number (cyrb53). */
function hashed (text: string, seed: number): number {
  let high = 0xdeadbeef ^ seed
  let low = 0x41c6ce57 ^ (seed / 0x1_0000_0000)
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    high = Math.imul(high ^ code, 2_654_435_761)
    low = Math.imul(low ^ code, 1_597_334_677)
  }
  high = Math.imul(high ^ (high >>> 16), 2_246_822_507) ^ Math.imul(low ^ (low >>> 13), 3_266_489_909)
  low = Math.imul(low ^ (low >>> 16), 2_246_822_507) ^ Math.imul(high ^ (high >>> 13), 3_266_489_909)
  return 4_294_967_296 * (2_097_151 & low) + (high >>> 0)
}
