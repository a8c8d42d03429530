import fastify = require('fastify')
import readGuard = require('fastify-read-guard')

const app = fastify()
app.register(readGuard)

function told (error: unknown): string {
  if (!readGuard.isReadError(error)) return ''
  if (error.code === 'FST_READ_BODY_IDLE_TIMEOUT') {
    const [reason, phase, statusCode, limit]: ['body_idle_timeout', 'body', 408, number] = [error.reason, error.phase, error.statusCode, error.limit]
    return [reason, phase, statusCode, limit].join()
  }
  if (error.code === 'FST_READ_LENGTH_REQUIRED') {
    const limit: undefined = error.limit
    // @ts-expect-error -- a length that is missing has passed no limit
    error.limit.toFixed()
    // @ts-expect-error -- it is answered by 411
    if (error.statusCode === 408) return String(limit)
  }
  // @ts-expect-error -- not every error has a limit
  return error.limit.toFixed()
}

const options = {
  onAbort (record) {
    if (record.code !== 'FST_READ_RESPONSE_IDLE_TIMEOUT') return
    const [blame, phase, limit]: ['client_slow', 'handler' | 'response', number] = [record.blame, record.phase, record.limit]
    app.log.info([blame, phase, limit])
    // @ts-expect-error -- a response has its phases
    if (record.phase === 'body') app.log.info('never')
  }
} satisfies readGuard.ReadGuardOptions

const route = { bodyLimit: 1_000 } satisfies readGuard.ReadGuardRouteOptions
// @ts-expect-error -- there is no such option
const misspelt = { bodyLimt: 1_000 } satisfies readGuard.ReadGuardRouteOptions

const milliseconds = (error: readGuard.ReadError<'FST_READ_BODY_TIMEOUT'>, record: readGuard.AbortRecord<'FST_READ_BODY_TIMEOUT'>): number => error.limit + record.limit
const code: 'FST_READ_MALFORMED' = new readGuard.errors.FST_READ_MALFORMED('a').code
const statusCode: 431 = readGuard.errors.FST_READ_HEADERS_TOO_LARGE('16 KiB').statusCode
// @ts-expect-error -- what the application makes has no facts
const nothing: unknown = new readGuard.errors.FST_READ_MALFORMED('a').received
const counts: Readonly<Partial<Record<readGuard.ReadErrorCode, number>>> = app.readGuard.stats().observed

export = { told, options, route, misspelt, milliseconds, code, statusCode, nothing, counts }
