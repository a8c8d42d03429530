import type { AbortRecord } from '../../../lib/index.js'
import { PARSED_BODY_LIMIT, SHORT_LINGER, type World } from '../app/hostile-app.js'
import { factsOf, handlerNames, methods, ROUTE_BODY_LIMIT, type HandlerName } from '../app/hostile-routes.js'
import type { Random } from '../oracle/random.js'
import { chunk } from './raw-client.js'

/** A read that must fail, once. */
interface MustFail {
  readonly phases: ReadonlyArray<AbortRecord['phase']>
  readonly reasons: ReadonlyArray<AbortRecord['reason']>
}

/** What becomes of an exchange if its client stays. */
interface Outcome {
  /** Of its answer; `undefined` where there may be none, or any. */
  readonly statusCode?: number
  /** Whether what follows is answered in turn. */
  readonly goesOn?: boolean
  /** No answer of its own, and one record. */
  readonly fails?: MustFail
}

/** One request, with what is wrong with it. */
interface Exchange {
  readonly method: string
  readonly url: string
  readonly head: string
  readonly body: string
  readonly expects: 'nothing' | 'continue' | 'continue, and waits' | 'continue, and sends nothing'
  readonly outcome: Outcome
  /** Whether it may take answers with it that are still owed. */
  readonly isKiller: boolean
  /** Whether what follows it is taken for its rest. */
  readonly stalls: boolean
  readonly isUnanswered: boolean
  readonly name: string
}

export type Step =
  | { readonly kind: 'write', readonly bytes: string }
  /** 0 is a turn of the event loop. */
  | { readonly kind: 'pause', readonly ms: number }
  /** Waits for so many answers, or for an interim one after so many; leaves where the final one came instead. */
  | { readonly kind: 'answers', readonly count: number }
  | { readonly kind: 'continue', readonly after: number, readonly goesOn: boolean }

interface Ending {
  readonly how: 'stays' | 'fin' | 'rst' | 'destroy'
  /** How long it stays where it has nothing to wait for, in milliseconds. */
  readonly patience: number
  /** Whether it ends its side when the server has ended its own. */
  readonly answersFin: boolean
}

/** What one client does on its connection, and what it must see if it stays. */
export interface Http1Script {
  readonly name: string
  /** Of its requests, in order. */
  readonly methods: readonly string[]
  readonly urls: readonly string[]
  readonly expecting: readonly boolean[]
  /** Whether it takes the first step before a TLS handshake. */
  readonly isRaw: boolean
  readonly reads: boolean
  /** Whether bytes were changed, so that any of them may mean anything. */
  readonly isMutated: boolean
  /** Whether there may be an answer that never comes: a client that only ends its side for that one is asked every 20 s whether it is there. */
  readonly isUnanswered: boolean
  readonly steps: readonly Step[]
  readonly ending: Ending
  /** Status codes of the answers that must come, in order. */
  readonly answered: readonly number[]
  /** What must follow them: nothing at all, one failed read, or whatever it may be. */
  readonly then: 'nothing' | MustFail | 'anything'
}

/** Bytes that a body may have whose handler neither reads nor answers. */
const MOST_UNREAD = 3_000

const CRLF = '\r\n'

interface Draft {
  method: string
  version: string
  headers: string[]
  body: string
}

/** What is wrong with a request. Returns what becomes of it. */
type Fault = (draft: Draft, random: Random, world: World, kind: HandlerName) => Outcome

const failing = (phase: AbortRecord['phase'], ...reasons: Array<AbortRecord['reason']>): Outcome => ({ fails: { phases: [phase], reasons } })
const malformedHead = failing('headers', 'malformed')
const strictly = ({ guard }: World, outcome: Outcome): Outcome => guard.strictFraming === true && guard.mode === 'enforce' ? outcome : {}
const withHeader = (line: string): Fault => (draft) => {
  draft.headers.push(line)
  return malformedHead
}

const withoutBody = (draft: Draft): void => {
  draft.headers = draft.headers.filter(line => !/^(?:content-length|transfer-encoding|trailer|expect):/i.test(line))
  draft.body = ''
}

const headFaults: Readonly<Record<string, Fault>> = {
  'a bad method': (draft, random) => {
    draft.method = random.pick(['G@T', 'get', 'FOO', '\0', 'PRI'])
    return malformedHead
  },
  'a bad version': (draft, random) => {
    draft.version = random.pick(['HTTP/1', 'HTTQ/1.1', 'HTTP/1.1x', 'http/1.1'])
    return malformedHead
  },
  'a version of its own': (draft, random) => {
    draft.version = random.pick(['HTTP/9.9', 'HTTP/2.0', 'HTTP/0.9'])
    return {}
  },
  'a line that is no header': withHeader('no header'),
  'a space before the colon': withHeader('Name : value'),
  'a control character': withHeader('Name: a\x01b'),
  'a NUL': withHeader('Name: a\0b'),
  'a length that is none': (draft) => {
    withoutBody(draft)
    draft.headers.push('Content-Length: 12x')
    return malformedHead
  },
  'a negative length': (draft) => {
    withoutBody(draft)
    draft.headers.push('Content-Length: -1')
    return malformedHead
  },
  'two lengths': (draft) => {
    withoutBody(draft)
    draft.headers.push('Content-Length: 1', 'Content-Length: 2')
    return malformedHead
  },
  'a length and chunks': (draft) => {
    withoutBody(draft)
    draft.headers.push('Content-Length: 1', 'Transfer-Encoding: chunked')
    return malformedHead
  },
  'two hosts': (draft, _random, world) => {
    withoutBody(draft)
    draft.headers.push('Host: other')
    return strictly(world, malformedHead)
  },
  'no host': (draft) => {
    draft.headers = draft.headers.filter(line => !line.startsWith('Host:'))
    return {}
  },
  'an unknown coding': (draft, random, world) => {
    withoutBody(draft)
    draft.headers.push(`Transfer-Encoding: ${random.pick(['gzip, chunked', 'x, chunked'])}`)
    draft.body = '0\r\n\r\n'
    return strictly(world, malformedHead)
  },
  'an overlong head': (draft) => {
    draft.headers.push(`Long: ${'x'.repeat(20_000)}`)
    return failing('headers', 'headers_too_large')
  },
  'too many lines': (draft) => {
    for (let i = 0; i < 1_200; i++) draft.headers.push('a: b')
    return {}
  },
  garbage: (draft, random) => {
    withoutBody(draft)
    draft.method = Array.from({ length: random.int(1, 60) }, () => String.fromCharCode(random.int(0, 255))).join('')
    return {}
  },
  'a TLS record': (draft) => {
    withoutBody(draft)
    draft.method = '\x16\x03\x01\x02\x00\x01\x00'
    return malformedHead
  }
}

/** Chunks of any size. */
function chunked (random: Random, data: string): string {
  let wire = ''
  for (let at = 0; at < data.length;) {
    const part = data.slice(at, at + random.int(1, Math.max(data.length / 2, 1)))
    at += part.length
    wire += random.chance(0.2) ? `${part.length.toString(16)};name=value\r\n${part}\r\n` : chunk(part)
  }
  return wire
}

function setChunks (draft: Draft, wire: string): void {
  withoutBody(draft)
  draft.headers.push('Transfer-Encoding: chunked')
  draft.body = wire
}

const brokenChunks = (breakOff: (random: Random) => string, reason: AbortRecord['reason'] = 'malformed'): Fault => (draft, random) => {
  setChunks(draft, chunked(random, random.text(random.int(0, 300))) + breakOff(random))
  return failing('body', reason)
}

/** Those of a body that is read, of a request that is otherwise good. */
const bodyFaults: Readonly<Record<string, Fault>> = {
  'a chunk size that is none': brokenChunks(random => `${random.pick(['zz', '-1', '0x1', ' 1'])}\r\na\r\n`),
  'a chunk size past all bounds': brokenChunks(() => `${'f'.repeat(20)}\r\n`),
  'a chunk longer than its size': brokenChunks(() => '3\r\nabcd\r\n'),
  'a chunk without its CRLF': brokenChunks(() => '3\r\nabc3\r\nabc\r\n0\r\n\r\n'),
  'a trailer that is none': brokenChunks(() => '0\r\nno trailer\r\n\r\n'),
  'overlong trailers': brokenChunks(() => `0\r\nLong: ${'x'.repeat(20_000)}\r\n\r\n`, 'headers_too_large'),
  'an overlong extension': (draft) => {
    setChunks(draft, `1;${'x'.repeat(20_000)}\r\na\r\n0\r\n\r\n`)
    return {}
  },
  'chunks that stall': (draft, random) => {
    setChunks(draft, chunked(random, random.text(random.int(0, 300))) + random.pick(['', '5', '5\r\n', '5\r\nabc', '0', '0\r\n', '0\r\nTrailer: ']))
    return failing('body', 'body_idle_timeout', 'body_too_slow', 'body_timeout')
  },
  'a short body that stalls': (draft, random) => {
    withoutBody(draft)
    const sent = random.int(0, 300)
    draft.headers.push(`Content-Length: ${sent + random.int(1, 300)}`)
    draft.body = random.text(sent)
    return failing('body', 'body_idle_timeout', 'body_too_slow', 'body_timeout')
  },
  'a body over every limit': (draft, random) => {
    const data = random.text(PARSED_BODY_LIMIT + random.int(1, 20_000))
    if (random.chance(0.5)) {
      setChunks(draft, `${chunk(data)}0\r\n\r\n`)
      return {}
    }
    withoutBody(draft)
    draft.headers.push(`Content-Length: ${data.length}`)
    draft.body = data
    return {}
  }
}

/** A body as it should be. Returns its bytes. */
function giveBody (draft: Draft, random: Random, maxBytes: number): number {
  const bytes = random.chance(0.15) ? 0 : random.int(1, random.chance(0.15) ? maxBytes : Math.min(maxBytes, 900))
  const data = random.text(bytes)
  if (draft.version === 'HTTP/1.1' && random.chance(0.5)) {
    draft.headers.push('Transfer-Encoding: chunked')
    draft.body = chunked(random, data) + (random.chance(0.2) ? '0\r\nTrailer: value\r\n\r\n' : '0\r\n\r\n')
  } else {
    draft.headers.push(`Content-Length: ${bytes}`)
    draft.body = data
  }
  return bytes
}

const killers: readonly HandlerName[] = ['destroysRequest', 'destroysWithError', 'destroysSocket', 'endsSocket', 'halfAnswer']

const neverEnding = (kind: HandlerName): boolean => factsOf(kind).statusCode === undefined

/** What becomes of a request without a fault. */
function goodOutcome (kind: HandlerName, draft: Draft, bytes: number, { guard, server }: World, index: number): Outcome {
  const { statusCode, goesOn = false, isStreamed } = factsOf(kind)
  if (statusCode === undefined) return {}
  const { maxRequestsPerSocket = 0 } = server
  if (maxRequestsPerSocket > 0 && index + 1 >= maxRequestsPerSocket) return {}
  const isChunked = draft.headers.includes('Transfer-Encoding: chunked')
  const { bodyLimit = 0 } = guard
  // Refused before it is read, or in its middle, or only observed.
  if (isChunked && (guard.requireContentLength === true || kind === 'measured')) return {}
  if (kind !== 'unguarded' && bodyLimit > 0 && bytes > bodyLimit) return {}
  if (kind === 'limited' && bytes > ROUTE_BODY_LIMIT) return {}
  // What is left unread, or only begun, is read on within the bounds of lingering.
  const leavesRest = bytes > 0 && factsOf(kind).reads !== true && kind !== 'unguarded' && kind !== 'limited' && kind !== 'measured'
  const isKept = draft.version === 'HTTP/1.1' ? !draft.headers.includes('Connection: close') : draft.headers.includes('Connection: keep-alive')
  const isParsedWithoutMethod = isStreamed !== true && (draft.method === 'GET' || draft.method === 'HEAD')
  // Node ends an answer whose length is not known by closing, to HEAD and over HTTP/1.0.
  const isOpenEnded = (draft.method === 'HEAD' || draft.version === 'HTTP/1.0') && ['streaming', 'large', 'echo'].includes(kind)
  return { statusCode, goesOn: goesOn && isKept && !isOpenEnded && !leavesRest && !(isParsedWithoutMethod && bytes > 0) }
}

/** Makes a request for one kind of handler. */
function drawExchange (random: Random, world: World, id: string, index: number): Exchange {
  const kind = random.chance(0.6) ? random.pick(['parsed', 'stream', 'raw', 'slow', 'lateReader', 'unread', 'late', 'streaming', 'twice', 'drained', 'errorHandlerLate']) : drawName(random)
  const url = `/${kind}/${id}-${index}`
  const draft: Draft = {
    method: random.pick([...methods, 'POST', 'POST', 'PUT']),
    version: random.chance(0.08) ? 'HTTP/1.0' : 'HTTP/1.1',
    headers: ['Host: localhost'],
    body: ''
  }
  if (draft.version === 'HTTP/1.0' && random.chance(0.5)) draft.headers.push('Connection: keep-alive')
  if (draft.version === 'HTTP/1.1' && random.chance(0.05)) draft.headers.push('Connection: close')
  if (random.chance(0.2)) draft.headers.push(`Noise: ${random.text(random.int(0, 400))}`)
  let bytes = 0
  const hasBody = random.chance(draft.method === 'POST' || draft.method === 'PUT' ? 0.9 : 0.25)
  if (hasBody) {
    draft.headers.push(`Content-Type: ${factsOf(kind).isStreamed === true ? 'application/x-stream' : 'text/plain'}`)
    // Of an application that neither reads nor answers, Node does not see its client leave where much of the body waits.
    bytes = giveBody(draft, random, neverEnding(kind) ? MOST_UNREAD : 40_000)
  }
  let expects: Exchange['expects'] = 'nothing'
  if (draft.body !== '' && draft.version === 'HTTP/1.1' && random.chance(0.12)) {
    draft.headers.push('Expect: 100-continue')
    expects = random.pick(['continue', 'continue, and waits', 'continue, and sends nothing'])
  }
  let outcome = goodOutcome(kind, draft, bytes, world, index)
  let name = `${draft.method} ${kind}${bytes > 0 ? ` with ${bytes} bytes` : ''}${expects === 'nothing' ? '' : `, expects ${expects}`}`
  if (expects === 'continue, and sends nothing') outcome = {}
  // Whether it has to wait depends on its handler, and Node closes after an answer for which it was not to go on.
  if (expects === 'continue, and waits' && factsOf(kind).reads !== true) outcome = {}
  if (expects === 'continue' && factsOf(kind).reads !== true) outcome = { ...outcome, goesOn: false }
  const canFail = outcome.goesOn === true
  let isKiller = false
  const { maxRequestsPerSocket = 0 } = world.server
  if (random.chance(0.22)) {
    const [fault, apply] = random.chance(0.5) ? drawEntry(random, headFaults) : drawEntry(random, bodyFaults)
    const isOfBody = fault in bodyFaults
    expects = 'nothing'
    if (draft.headers.every(line => !line.startsWith('Content-Type'))) draft.headers.push(`Content-Type: ${factsOf(kind).isStreamed === true ? 'application/x-stream' : 'text/plain'}`)
    draft.headers = draft.headers.filter(line => !line.startsWith('Expect:'))
    if (isOfBody) draft.version = 'HTTP/1.1'
    const found = apply(draft, random, world, kind)
    // The reading kinds alone are sure to be reading when it fails.
    const isRead = factsOf(kind).reads === true && (factsOf(kind).isStreamed === true || !['GET', 'HEAD'].includes(draft.method))
    const isCapped = maxRequestsPerSocket > 0 && index + 1 >= maxRequestsPerSocket
    const isSure = !isCapped && (!isOfBody || (isRead && kind !== 'closing' && !(draft.headers.includes('Transfer-Encoding: chunked') && world.guard.requireContentLength === true)))
    outcome = isSure ? found : {}
    // As above: no more of it is sent.
    if (neverEnding(kind) && draft.body.length > MOST_UNREAD) {
      draft.body = draft.body.slice(0, MOST_UNREAD)
      outcome = {}
    }
    name += `, with ${fault}`
    isKiller = world.hasClientErrorHandler
  } else if (canFail && random.chance(0.04)) {
    draft.body += random.text(random.int(1, 50))
    name += ', and bytes too many'
    isKiller = world.hasClientErrorHandler
    outcome = { ...outcome, goesOn: false }
  } else if (random.chance(0.04)) {
    draft.headers.push('Connection: Upgrade', 'Upgrade: echo')
    name += ', an upgrade'
    isKiller = true
    outcome = {}
  }
  const noise = random.chance(0.08) ? random.pick([CRLF, CRLF, CRLF + CRLF, '\n', CRLF.repeat(5)]) : ''
  const head = `${noise}${draft.method} ${url} ${draft.version}${CRLF}${draft.headers.join(CRLF)}${CRLF}${CRLF}`
  const stalls = name.includes('stall') || expects === 'continue, and sends nothing'
  return { method: draft.method, url, head, body: draft.body, expects, outcome, isKiller: isKiller || killers.includes(kind), stalls, isUnanswered: neverEnding(kind), name }
}

function drawName (random: Random): HandlerName {
  return handlerNames[random.int(0, handlerNames.length - 1)] ?? 'parsed'
}

function drawEntry<Value> (random: Random, from: Readonly<Record<string, Value>>): [string, Value] {
  const entries = Object.entries(from)
  const entry = entries[random.int(0, entries.length - 1)]
  if (entry === undefined) throw new Error('nothing to draw from')
  return entry
}

/** Bytes in pieces, with pauses between them. */
function split (random: Random, bytes: string): Step[] {
  const isByteByByte = bytes.length < 250 && random.chance(0.05)
  const cuts = isByteByByte ? bytes.length : random.int(0, 5)
  const at = [...new Set(Array.from({ length: cuts }, () => random.int(0, bytes.length)))].sort((a, b) => a - b)
  const steps: Step[] = []
  let from = 0
  for (const to of [...at, bytes.length]) {
    if (to > from) steps.push({ kind: 'write', bytes: bytes.slice(from, to) })
    from = to
    if (random.chance(isByteByByte ? 0.1 : 0.7)) steps.push({ kind: 'pause', ms: isByteByByte || random.chance(0.6) ? 0 : random.int(1, 8) })
  }
  return steps
}

function drawEnding (random: Random): Ending {
  return { how: random.pick(['fin', 'rst', 'destroy']), patience: random.int(20, 700), answersFin: random.chance(0.8) }
}

function leaving (ending: Ending, { isUnanswered }: Pick<Http1Script, 'isUnanswered'>): Ending {
  return isUnanswered && ending.how === 'fin' ? { ...ending, how: 'destroy' } : ending
}

/** A client that never gets as far as a request. */
function handshakeScript (random: Random): Http1Script {
  const bytes = random.pick([
    'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n', '\x16\x03\x01', '\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00', '\x80\x2e\x01', '',
    Array.from({ length: random.int(1, 80) }, () => String.fromCharCode(random.int(0, 255))).join('')
  ])
  return { ...nobody, name: `bytes before the handshake: ${JSON.stringify(bytes)}`, isRaw: true, steps: split(random, bytes), ending: drawEnding(random) }
}

const nobody: Http1Script = {
  name: '', methods: [], urls: [], expecting: [], isRaw: false, reads: true, isMutated: false, isUnanswered: false, steps: [], ending: { how: 'fin', patience: 0, answersFin: true }, answered: [], then: 'anything'
}

/** Status codes that come, and what comes after them. */
function foresee (exchanges: readonly Exchange[], { guard, hasClientErrorHandler, closesAfter, server }: World): Pick<Http1Script, 'answered' | 'then'> {
  const answered: number[] = []
  if (closesAfter !== undefined) return { answered, then: 'anything' }
  for (const [index, { outcome, name }] of exchanges.entries()) {
    const { statusCode, goesOn, fails } = outcome
    if (fails !== undefined) {
      const isLimit = fails.reasons.some(reason => reason.endsWith('timeout'))
      const isSure = !(guard.mode === 'observe' && isLimit) && !(hasClientErrorHandler && answered.length > 0) && server.connectionTimeout === 0
      return { answered, then: isSure ? fails : 'anything' }
    }
    if (statusCode === undefined) return { answered, then: 'anything' }
    answered.push(statusCode)
    if (name.endsWith('bytes too many')) return { answered, then: 'anything' }
    // Only what was the last to be sent is known to have nothing after it.
    if (goesOn !== true) return { answered, then: index === exchanges.length - 1 ? 'nothing' : 'anything' }
  }
  return { answered, then: 'nothing' }
}

function mutate (random: Random, bytes: string): string {
  const at = random.int(0, Math.max(bytes.length - 1, 0))
  const other = random.chance(0.5) ? String.fromCharCode(random.int(0, 255)) : random.pick(['\r', '\n', '\0', ' ', ':', ',', '0', '\xff'])
  const kind = random.pick(['change', 'insert', 'delete', 'cut'])
  if (kind === 'change') return bytes.slice(0, at) + other + bytes.slice(at + 1)
  if (kind === 'insert') return bytes.slice(0, at) + other + bytes.slice(at)
  if (kind === 'delete') return bytes.slice(0, at) + bytes.slice(at + random.int(1, 10))
  return bytes.slice(0, at)
}

/** Cuts the script after so many bytes. */
function cut (steps: readonly Step[], after: number): Step[] {
  const kept: Step[] = []
  let left = after
  for (const step of steps) {
    if (step.kind === 'write') {
      if (step.bytes.length >= left) return left > 0 ? [...kept, { kind: 'write', bytes: step.bytes.slice(0, left) }] : kept
      left -= step.bytes.length
    }
    kept.push(step)
  }
  return kept
}

function lengthOf (steps: readonly Step[]): number {
  return steps.reduce((sum, step) => sum + (step.kind === 'write' ? step.bytes.length : 0), 0)
}

/** What is left of a script that is made smaller. */
export interface Smaller {
  /** The exchanges that stay, by their index. */
  readonly exchanges?: readonly number[]
  /** Whether bytes that go together are one write, without pauses. */
  readonly isPlain?: boolean
}

/** @param id is part of every target */
export function drawScript (random: Random, world: World, id: string, { exchanges: kept, isPlain = false }: Smaller = {}): Http1Script {
  if (world.tls && random.chance(0.08)) return handshakeScript(random)
  const pieces = (bytes: string): Step[] => isPlain ? [{ kind: 'write', bytes }] : split(random, bytes)
  const drawn = Array.from({ length: random.int(1, random.chance(0.4) ? 6 : 2) }, (_, index) => drawExchange(random, world, id, index))
  const stalling = drawn.findIndex(({ stalls }) => stalls)
  // Behind a request that is never answered, much of a body waits unread, and Node does not see its client leave.
  const unanswered = drawn.findIndex(({ isUnanswered }) => isUnanswered)
  const waiting = drawn.findIndex(({ body }, index) => unanswered >= 0 && index > unanswered && body.length > MOST_UNREAD)
  const exchanges = drawn
    .slice(0, Math.min(...[stalling + 1, waiting].filter(length => length > 0), drawn.length))
    .filter((_, index) => kept?.includes(index) !== false)
  const isPipelined = random.chance(0.5)
  const isMutated = random.chance(0.08)
  const steps: Step[] = []
  let batch = ''
  for (const [index, { head, body, expects }] of exchanges.entries()) {
    if (!isPipelined && index > 0) {
      steps.push(...pieces(batch), { kind: 'answers', count: index })
      batch = ''
    }
    batch += head
    if (expects === 'nothing' || expects === 'continue') batch += body
    else {
      steps.push(...pieces(batch))
      batch = ''
      if (expects === 'continue, and waits') {
        steps.push({ kind: 'continue', after: index, goesOn: random.chance(0.3) })
        batch = body
      }
    }
  }
  steps.push(...pieces(isMutated ? mutate(random, batch) : batch))
  const common = {
    ...nobody,
    name: exchanges.map(({ name }) => name).join(isPipelined ? ' + ' : ', then '),
    methods: exchanges.map(({ method }) => method),
    urls: exchanges.map(({ url }) => url),
    expecting: exchanges.map(({ expects }) => expects !== 'nothing'),
    isMutated,
    isUnanswered: exchanges.some(({ isUnanswered }) => isUnanswered),
    steps
  }
  if (random.chance(0.3)) {
    const ending = leaving(drawEnding(random), common)
    const at = random.int(0, lengthOf(steps))
    return { ...common, name: `${common.name}; ${ending.how} after ${at} bytes`, steps: cut(steps, at), ending }
  }
  if (random.chance(0.06)) return { ...common, name: `${common.name}; never reads`, reads: false, ending: { ...leaving(drawEnding(random), common), patience: random.int(300, 1_500) } }
  if (isMutated) return { ...common, name: `${common.name}; mutated`, ending: leaving(drawEnding(random), common) }
  const hasKiller = exchanges.some(({ isKiller }, index) => isKiller && index > 0)
  // What comes behind the last answer resets the connection where it is not lingered on, and takes that answer with it.
  const { linger } = world.guard
  const isCutShort = (linger === false || linger?.timeout === SHORT_LINGER) && exchanges.slice(0, -1).some(({ outcome }) => outcome.goesOn !== true)
  const { answered, then } = isPipelined && (hasKiller || isCutShort) ? nobody : foresee(exchanges, world)
  return { ...common, answered, then, ending: { ...drawEnding(random), how: 'stays' } }
}
