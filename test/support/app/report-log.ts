import { Readable } from 'node:stream'
import type { AbortRecord } from '../../../lib/record/abort-record.js'
import type { Io } from '../../../lib/report/io.js'
import { main } from '../../../lib/report/main.js'
import type { Report } from '../../../lib/report/report.js'
import { Random } from '../oracle/random.js'

export const noon = Date.parse('2025-03-01T12:00:00.000Z')

/** What a log may hold: not only what goes together in a record. */
export type Fields = Partial<Pick<AbortRecord, keyof AbortRecord>>

export function abortRecord (fields: Fields = {}): Fields {
  return {
    code: 'FST_READ_BODY_TOO_SLOW',
    reason: 'body_too_slow',
    phase: 'body',
    blame: 'client_slow',
    statusCode: 408,
    answered: true,
    received: 1200,
    expected: 12_000,
    limit: 240,
    elapsed: 30_000,
    paused: 0,
    idle: 500,
    rate: 40,
    method: 'POST',
    url: '/upload?x=1',
    route: '/upload',
    reqId: 'req-1',
    remoteAddress: '203.0.113.7',
    remotePort: 50_000,
    protocol: 'http/1.1',
    tls: false,
    observed: false,
    time: new Date(noon).toISOString(),
    ...fields
  }
}

/** As pino writes it; `fields` that are undefined are left out by JSON, as there. */
export function abortLine (fields: Fields = {}): string {
  const [level, msg] = fields.observed === true ? [30, 'request read would have been aborted'] : [40, 'request read aborted']
  return JSON.stringify({ level, time: noon, pid: 1, hostname: 'web-1', reqId: 'req-1', abort: abortRecord(fields), msg })
}

export const requestLine = JSON.stringify({ level: 30, time: noon, pid: 1, hostname: 'web-1', reqId: 'req-1', req: { method: 'GET', url: '/' }, msg: 'incoming request' })

const outcomes: readonly Fields[] = [
  { code: 'FST_READ_BODY_TOO_SLOW', reason: 'body_too_slow', blame: 'client_slow', limit: 240 },
  { code: 'FST_READ_BODY_TIMEOUT', reason: 'body_timeout', blame: 'client_slow', limit: 300_000 },
  { code: 'FST_READ_BODY_IDLE_TIMEOUT', reason: 'body_idle_timeout', blame: 'client_slow', limit: 20_000 },
  { code: 'FST_READ_ABORTED', reason: 'client_aborted', blame: 'client_gone', limit: undefined, statusCode: 499 },
  { code: 'FST_READ_BODY_TOO_LARGE', reason: 'body_too_large', blame: 'client_invalid', limit: 1_048_576, statusCode: 413 },
  { code: 'FST_READ_MALFORMED', reason: 'malformed', blame: 'client_invalid', limit: undefined, statusCode: 400 },
  { code: 'FST_READ_HEADERS_TIMEOUT', reason: 'headers_timeout', blame: 'client_slow', limit: 20_000, phase: 'headers', expected: undefined, route: undefined }
]
const weights = [30, 10, 8, 25, 6, 4, 12]
const routes = ['/upload', '/upload', '/upload', '/api/items/:id', '/api/items', '/webhooks/:provider/:account/events/:event/deliveries', '/files/*']

/** Records as months of running make them: many kinds, over three days, a few of them observed. */
export function variedRecords (count: number, seed = 1): Fields[] {
  const random = new Random(seed)
  const next = (): number => random.next()
  return Array.from({ length: count }, (_, index) => variedRecord(next, noon + index / count * 3 * 86_400_000))
}

function variedRecord (next: () => number, time: number): Fields {
  let pick = next() * weights.reduce((sum, weight) => sum + weight, 0)
  const outcome = outcomes[weights.findIndex(weight => (pick -= weight) < 0)] ?? {}
  const large = outcome.reason === 'body_too_large'
  const expected = Math.ceil(10 ** (large ? 6.1 + 2 * next() : 3 + 4 * next()))
  const received = large || next() < 0.1 ? 0 : Math.floor(expected * next() ** 2)
  const elapsed = outcome.reason === 'body_timeout' ? 300_000 : Math.round(received / 10 ** (1 + 1.5 * next()) * 1000) + 20_000
  return abortRecord({
    expected,
    received,
    elapsed,
    idle: Math.floor(elapsed * next() ** 3),
    rate: Math.round(received / elapsed * 100_000) / 100,
    route: routes[Math.floor(next() * routes.length)],
    remoteAddress: next() < 0.3 ? '203.0.113.7' : next() < 0.2 ? '2001:db8:85a3:8d3:1319:8a2e:370:7348' : `198.51.100.${Math.floor(next() ** 2 * 200)}`,
    observed: next() < 0.2 && outcome.blame === 'client_slow',
    time: new Date(time).toISOString(),
    ...outcome
  })
}

export interface Ran {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

interface World {
  /** Whole, or in chunks. */
  readonly stdin?: string | Buffer | readonly Buffer[]
  readonly stdinIsTTY?: boolean
  readonly terminal?: number
  readonly env?: Record<string, string>
  /** The time, or what tells it. */
  readonly now?: number | (() => number)
}

/** Runs the command in this process. `terminal` makes standard output and error a terminal of so many columns. */
export async function run (argv: readonly string[], { stdin = '', stdinIsTTY = false, terminal, env = {}, now = noon }: World = {}): Promise<Ran> {
  const written = { stdout: '', stderr: '' }
  const output = (name: 'stdout' | 'stderr') => ({
    write: (text: string) => { written[name] += text },
    ...terminal === undefined ? {} : { isTTY: true, columns: terminal }
  })
  const io: Io = {
    stdin: Object.assign(Readable.from(typeof stdin === 'string' || Buffer.isBuffer(stdin) ? [Buffer.from(stdin)] : [...stdin], { objectMode: false }), { isTTY: stdinIsTTY }),
    stdout: output('stdout'),
    stderr: output('stderr'),
    env,
    now: typeof now === 'number' ? () => now : now
  }
  const status = await main(argv, io)
  return { status, ...written }
}

/** What `--json` prints for these lines. */
export async function jsonOf (lines: readonly string[] | Buffer | readonly Buffer[], ...args: string[]): Promise<Report> {
  const stdin = Buffer.isBuffer(lines) ? lines : lines.map(line => Buffer.isBuffer(line) ? line : Buffer.from(`${line}\n`))
  const { stdout, stderr } = await run(['report', '--json', ...args], { stdin })
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout) as Report
}

export function logOf (records: readonly Fields[]): string {
  return records.map(record => `${requestLine}\n${abortLine(record)}\n`).join('')
}
