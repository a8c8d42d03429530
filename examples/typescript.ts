// Limits, errors and records with their types. PORT=3000 node examples/typescript.ts (Node.js 22.18 or later)
import Fastify from 'fastify'
import readGuard, { isReadError, type AbortRecord, type ReadErrorCode, type ReadGuardOptions, type ReadGuardRouteOptions } from 'fastify-read-guard'

const options = {
  headersTimeout: 10_000,
  bodyIdleTimeout: 1_000,
  onAbort: (record: AbortRecord) => count(record.code, record.blame)
} satisfies ReadGuardOptions

const upload = {
  bodyLimit: 5_000_000_000,
  minBodyRate: { bytesPerSecond: 1_000, gracePeriod: 30_000 }
} satisfies ReadGuardRouteOptions

const app = Fastify({ logger: true })

await app.register(readGuard, options)

// Fastify infers the type of `config` from what it is given, so that it accepts a misspelt option: `satisfies` does not.
app.put('/upload', { config: { readGuard: upload } }, async ({ readGuard }) => ({ phase: readGuard.phase }))

app.setErrorHandler((error, _request, reply) => {
  if (!isReadError(error)) return reply.send(error)
  switch (error.code) {
    case 'FST_READ_BODY_TIMEOUT':
      // `limit` is a number here, and `statusCode` is 408.
      return reply.code(error.statusCode).send({ code: error.code, seconds: error.limit / 1_000 })
    case 'FST_READ_BODY_TOO_LARGE':
      // Fastify does not always tell which limit was passed.
      return reply.code(error.statusCode).send({ code: error.code, bytes: error.limit ?? 'unknown' })
    default:
      return reply.send(error)
  }
})

const counts = new Map<ReadErrorCode, number>()

function count (code: ReadErrorCode, blame: AbortRecord['blame']): void {
  if (blame !== 'client_gone') counts.set(code, (counts.get(code) ?? 0) + 1)
}

await app.listen({ port: Number(process.env['PORT'] ?? 3000) })
