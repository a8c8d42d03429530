import fastify, { type FastifyRequest } from 'fastify'
import readGuard, {
  errors, isReadError, readGuard as named, type AbortRecord, type Blame, type ReadError, type ReadErrorCode, type ReadGuardOptions, type ReadGuardRouteOptions, type ReadGuardStats,
  type ReadLimits, type ReadPhase, type ReadReason
} from 'fastify-read-guard'
import { exactly } from './exactly.js'

const app = fastify()

// Registration.
await app.register(readGuard)
await app.register(named, {})
await app.register(import('fastify-read-guard'), { mode: 'observe' })
await app.register(readGuard, {
  handshakeTimeout: 10_000,
  headersTimeout: 20_000,
  minHeadersRate: { bytesPerSecond: 500, gracePeriod: 5_000 },
  bodyTimeout: 0,
  bodyIdleTimeout: 20_000,
  minBodyRate: { bytesPerSecond: 240 },
  requireContentLength: true,
  bodyLimit: 1_000,
  strictFraming: false,
  maxFailedReads: 100,
  linger: false,
  mode: 'enforce',
  abortStatusCode: 499,
  logLimit: false,
  resolution: 50,
  onAbort (record, request) {
    exactly<AbortRecord>()(record)
    exactly<FastifyRequest | undefined>()(request)
  }
})
// @ts-expect-error -- a time is a number
await app.register(readGuard, { headersTimeout: '5s' })
// @ts-expect-error -- there is no such option
await app.register(readGuard, { headerTimeout: 5_000 })
// @ts-expect-error -- there is no such mode
await app.register(readGuard, { mode: 'off' })
// @ts-expect-error -- there is no rate to turn on without numbers
await app.register(readGuard, { minBodyRate: true })
// @ts-expect-error -- there is no default for the other number
await app.register(readGuard, { minHeadersRate: { bytesPerSecond: 500 } })

// Routes.
const route: ReadGuardRouteOptions = { bodyLimit: 1_000, linger: { bytes: 1_000 }, mode: 'observe' }
app.post('/guarded', { config: { readGuard: route } }, async () => 'fine')
app.post('/unguarded', { config: { readGuard: false } }, async () => 'fine')
// @ts-expect-error -- a size is a number
app.post('/large', { config: { readGuard: { bodyLimit: '1kb' } } }, async () => 'fine')
// @ts-expect-error -- the route is not known before its headers were read
export const headers: ReadGuardRouteOptions = { headersTimeout: 1_000 }
// What a route may have, the plugin may have for all of them.
export const forAll: ReadGuardOptions = route

// Requests.
app.post('/request', async (request) => {
  const { phase, received, expected, elapsed, paused, limits } = request.readGuard
  exactly<'body' | 'handler' | 'response' | undefined>()(phase)
  exactly<AbortSignal>()(request.readGuard.signal)
  exactly<number>()(received)
  exactly<number | undefined>()(expected)
  exactly<number>()(elapsed)
  exactly<number>()(paused)
  exactly<ReadLimits>()(limits)
  request.readGuard.setLimits({ bodyTimeout: 0, minBodyRate: false })
  // @ts-expect-error -- the headers have been read
  request.readGuard.setLimits({ headersTimeout: 0 })
  // @ts-expect-error -- limits are set with setLimits()
  request.readGuard.limits.bodyTimeout = 0
  // @ts-expect-error -- it is counted, not told
  request.readGuard.received = 0

  exactly<Buffer>()(await request.readRawBody())
  exactly<Buffer>()(await request.readRawBody({ limit: 1_000 }))
  exactly<string>()(await request.readRawBody({ encoding: 'utf8' }))
  exactly<string>()(await request.readRawBody({ encoding: true, limit: 1_000 }))
  // @ts-expect-error -- a limit is a number
  await request.readRawBody({ limit: '1kb' })
})

// Instance.
const stats = app.readGuard.stats()
exactly<ReadGuardStats>()(stats)
exactly<string>()(stats.since)
exactly<number | undefined>()(Object.values(stats.aborted)[0])
exactly<number | undefined>()(stats.aborted.FST_READ_BODY_TIMEOUT)
exactly<number | undefined>()(stats.observed.FST_READ_ABORTED)
// @ts-expect-error -- there is no such code
exactly<number | undefined>()(stats.aborted.FST_READ_TIMEOUT)
exactly<number>()(stats.reading.handshake + stats.reading.headers + stats.reading.body + stats.reading.response + stats.reading.lingering)
// @ts-expect-error -- it is counted, not told
stats.suppressed = 0

// Records and errors.
export function blamed (record: AbortRecord): boolean {
  exactly<Blame>()(record.blame)
  exactly<'client_slow' | 'client_gone' | 'client_invalid'>()(record.blame)
  exactly<ReadPhase>()(record.phase)
  exactly<'handshake' | 'headers' | 'body' | 'handler' | 'response'>()(record.phase)
  exactly<ReadReason>()(record.reason)
  exactly<ReadErrorCode>()(record.code)
  exactly<number | undefined>()(record.expected)
  exactly<number | undefined>()(record.sent)
  exactly<string | undefined>()(record.ip)
  exactly<string | undefined>()(record.route)
  // @ts-expect-error -- there is no such code
  if (record.code === 'FST_READ_TIMEOUT') return true
  // @ts-expect-error -- there is no such reason
  return record.reason === 'too_slow'
}

export function spent (error: ReadError): number {
  // @ts-expect-error -- there is no such code
  if (error.code === 'FST_READ_TIMEOUT') return 0
  exactly<number | undefined>()(error.limit)
  return error.code === 'FST_READ_BODY_TIMEOUT' ? error.elapsed + error.paused + error.idle + error.rate : error.received
}

export function caught (error: unknown): number {
  if (!isReadError(error)) return 0
  exactly<ReadError>()(error)
  exactly<ReadErrorCode>()(error.code)
  exactly<ReadReason>()(error.reason)
  exactly<ReadPhase>()(error.phase)
  return error.received
}

exactly<'FST_READ_ABORTED'>()(new errors.FST_READ_ABORTED().code)
// @ts-expect-error -- there is no such error
errors.FST_READ_NOTHING.name.trim()
