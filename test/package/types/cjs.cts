import fastify = require('fastify')
import readGuard = require('fastify-read-guard')

const app = fastify()

app.register(readGuard)
app.register(readGuard.default, { headersTimeout: 5_000 })
app.register(readGuard, { bodyTimeout: 0, onAbort: (record: readGuard.AbortRecord) => record.code.trim() })
// @ts-expect-error -- a time is a number
app.register(readGuard, { headersTimeout: '5s' })
// @ts-expect-error -- there is no such option
app.register(readGuard, { headerTimeout: 5_000 })

const options: readGuard.ReadGuardOptions = { bodyLimit: 1_000 }
app.register(readGuard, options)

const route: readGuard.ReadGuardRouteOptions = { bodyLimit: 1_000 }
app.post('/', { config: { readGuard: route } }, async (request) => {
  const limits: readGuard.ReadLimits = request.readGuard.limits
  const text: string = await request.readRawBody({ encoding: 'utf8' })
  // @ts-expect-error -- a buffer, without an encoding
  const wrong: string = await request.readRawBody()
  return [limits, text, wrong]
})
// @ts-expect-error -- a size is a number
app.post('/large', { config: { readGuard: { bodyLimit: '1kb' } } }, async () => 'fine')

const stats: readGuard.ReadGuardStats = app.readGuard.stats()
const error: readGuard.ReadError | undefined = undefined
function caught (error: unknown): readGuard.ReadErrorCode | undefined {
  return readGuard.isReadError(error) ? error.code : undefined
}
const [blame, phase, reason]: [readGuard.Blame, readGuard.ReadPhase, readGuard.ReadReason] = ['client_slow', 'body', 'body_timeout']
// @ts-expect-error -- there is no such error
const nothing: unknown = readGuard.errors.FST_READ_NOTHING

export = { stats, error, nothing, caught, blame, phase, reason, aborted: new readGuard.errors.FST_READ_ABORTED().code }
