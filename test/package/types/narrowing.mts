import fastify, { type FastifyError } from 'fastify'
import readGuard, {
  errors, isReadError, type AbortRecord, type Blame, type ReadError, type ReadErrorCode, type ReadGuardOptions, type ReadGuardRouteOptions, type ReadGuardStats, type ReadPhase, type ReadReason
} from 'fastify-read-guard'
import { exactly } from './exactly.js'

const app = fastify()
await app.register(readGuard)

// An error is narrowed by its code.
export function told (error: unknown): string {
  if (!isReadError(error)) return ''
  exactly<ReadErrorCode>()(error.code)
  exactly<ReadReason>()(error.reason)
  exactly<ReadPhase>()(error.phase)
  exactly<number | undefined>()(error.limit)
  exactly<number | undefined>()(error.statusCode)
  exactly<string>()(error.message)
  exactly<unknown>()(error.cause)
  switch (error.code) {
    case 'FST_READ_HANDSHAKE_TIMEOUT':
      exactly<'handshake'>()(error.phase)
      exactly<undefined>()(error.statusCode)
      exactly<number>()(error.limit)
      break
    case 'FST_READ_BODY_TIMEOUT':
      exactly<'body_timeout'>()(error.reason)
      exactly<'body'>()(error.phase)
      exactly<408>()(error.statusCode)
      exactly<number>()(error.limit)
      exactly<number>()(error.received)
      exactly<number | undefined>()(error.expected)
      // @ts-expect-error -- a body has its phase
      if (error.phase === 'headers') return 'never'
      // @ts-expect-error -- a body has its reasons
      if (error.reason === 'headers_timeout') return 'never'
      // @ts-expect-error -- a body that takes too long is answered by 408
      if (error.statusCode === 400) return 'never'
      break
    case 'FST_READ_BODY_TOO_LARGE':
      exactly<413>()(error.statusCode)
      exactly<number | undefined>()(error.limit)
      // @ts-expect-error -- Fastify does not always tell which limit was passed
      error.limit.toFixed()
      break
    case 'FST_READ_MALFORMED':
      exactly<400 | 501 | 505 | undefined>()(error.statusCode)
      exactly<'handshake' | 'headers' | 'body'>()(error.phase)
      exactly<undefined>()(error.limit)
      break
    case 'FST_READ_ABORTED':
      exactly<'client_aborted'>()(error.reason)
      exactly<number>()(error.statusCode)
      exactly<undefined>()(error.limit)
      // @ts-expect-error -- a client that has gone has passed no limit
      error.limit.toFixed()
      break
    case 'FST_READ_RESPONSE_ABORTED':
      exactly<'handler' | 'response'>()(error.phase)
      break
    // @ts-expect-error -- there is no such code
    case 'FST_READ_TIMEOUT':
      break
    default:
      exactly<Exclude<ReadErrorCode, 'FST_READ_HANDSHAKE_TIMEOUT' | 'FST_READ_BODY_TIMEOUT' | 'FST_READ_BODY_TOO_LARGE' | 'FST_READ_MALFORMED' | 'FST_READ_ABORTED' | 'FST_READ_RESPONSE_ABORTED'>>()(error.code)
  }
  // @ts-expect-error -- whose fault it was, the record says
  return error.blame
}

// It is narrowed by its reason and its phase as well, and one kind of it can be named.
export function limitOf (error: ReadError): number | undefined {
  if (error.reason === 'body_idle_timeout') exactly<'FST_READ_BODY_IDLE_TIMEOUT'>()(error.code)
  if (error.phase === 'handshake') exactly<'FST_READ_HANDSHAKE_TIMEOUT' | 'FST_READ_MALFORMED' | 'FST_READ_ABORTED'>()(error.code)
  // @ts-expect-error -- it is told, not set
  error.code = 'FST_READ_ABORTED'
  // @ts-expect-error -- an answer has its status from `reply.code()`
  error.statusCode = 400
  return error.limit
}
export const milliseconds = (error: ReadError<'FST_READ_BODY_TIMEOUT' | 'FST_READ_HEADERS_TIMEOUT'>): number => error.limit
// @ts-expect-error -- there is no such code
export type Nothing = ReadError<'FST_READ_TIMEOUT'>
// It is an error of Fastify's.
export const asFastifyError = (error: ReadError): FastifyError => error
export const found = [new Error('a'), undefined].find(isReadError)
exactly<ReadError | undefined>()(found)

// What the application makes has a code and a status, and is the error of no read.
const made = new errors.FST_READ_BODY_TIMEOUT(1_000)
exactly<'FST_READ_BODY_TIMEOUT'>()(made.code)
exactly<408>()(made.statusCode)
exactly<499>()(errors.FST_READ_ABORTED().statusCode)
exactly<undefined>()(new errors.FST_READ_HANDSHAKE_TIMEOUT(1_000).statusCode)
exactly<'FST_READ_BODY_CONSUMED'>()(new errors.FST_READ_BODY_CONSUMED().code)
exactly<500>()(new errors.FST_READ_OPTIONS_INVALID('bodyLimit', 'must be a number', 'a').statusCode)
export const fastifyError: FastifyError = made
// @ts-expect-error -- it has no facts
made.received.toFixed()
// @ts-expect-error -- it has no phase
export const phase: ReadPhase = made.phase
// @ts-expect-error -- no read has failed
export const readError: ReadError = made

// A record is narrowed by its code, too.
export const options = {
  headersTimeout: 10_000,
  onAbort (record) {
    if (record.code === 'FST_READ_BODY_TOO_SLOW') {
      exactly<'body_too_slow'>()(record.reason)
      exactly<'client_slow'>()(record.blame)
      exactly<'body'>()(record.phase)
      exactly<408>()(record.statusCode)
      exactly<number>()(record.limit)
      // @ts-expect-error -- a slow client is not a gone one
      if (record.blame === 'client_gone') return
    }
    if (record.blame === 'client_gone') exactly<'FST_READ_ABORTED' | 'FST_READ_RESPONSE_ABORTED'>()(record.code)
    if (record.code === 'FST_READ_HANDSHAKE_TIMEOUT') exactly<undefined>()(record.statusCode)
  }
} satisfies ReadGuardOptions
const blames: Record<Blame, number> = { client_slow: 0, client_gone: 0, client_invalid: 0 }
export const count = ({ blame }: AbortRecord): number => blames[blame]++
export const limit = (record: AbortRecord<'FST_READ_RESPONSE_TOO_SLOW'>): number => record.limit
// @ts-expect-error -- a list of causes has to be whole
export const words: Record<Blame, string> = { client_slow: 'slow', client_gone: 'gone' }

// Counts are by code.
exactly<Readonly<Partial<Record<ReadErrorCode, number>>>>()(app.readGuard.stats().aborted)
export const counted = (stats: ReadGuardStats, code: ReadErrorCode): number => (stats.aborted[code] ?? 0) + (stats.observed[code] ?? 0)
// @ts-expect-error -- nothing has failed yet, it may be
export const none: number = app.readGuard.stats().aborted.FST_READ_ABORTED
// @ts-expect-error -- a reason is not a code
app.readGuard.stats().aborted.client_aborted?.toFixed()
// @ts-expect-error -- it is counted, not told
app.readGuard.stats().aborted.FST_READ_ABORTED = 0

// Options of a route: a misspelt one is found where its type is asked for.
export const upload = { bodyLimit: 5_000_000_000, minBodyRate: { bytesPerSecond: 1_000, gracePeriod: 30_000 } } satisfies ReadGuardRouteOptions
app.put('/upload', { config: { readGuard: upload } }, async () => 'fine')
// @ts-expect-error -- there is no such option
export const misspelt = { bodyTimout: 1_000 } satisfies ReadGuardRouteOptions
// @ts-expect-error -- a limit is a number
export const wrong = { bodyLimit: '5mb' } satisfies ReadGuardRouteOptions
