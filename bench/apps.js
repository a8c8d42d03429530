import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import fastify from 'fastify'
import readGuard from '../dist/index.js'
import { certificate } from './certificate.js'

/** @typedef {import('fastify').FastifyInstance} FastifyInstance */

/**
 * @typedef {object} AppOptions
 * @property {'http' | 'https' | 'http2' | 'h2c'} [kind]
 * @property {boolean} [typical] with what most applications have: CORS, helmet, a hook that authenticates, and a log in a file
 * @property {import('../dist/index.js').ReadGuardOptions} [guard] without them there is none
 * @property {import('fastify').onRequestHookHandler} [onRequest]
 * @property {(app: FastifyInstance) => void} [before] called before the guard is registered
 */

const kinds = {
  http: {},
  https: { https: certificate },
  http2: { http2: true, https: certificate },
  h2c: { http2: true }
}

/** @param {FastifyInstance} app */
function addRoutes (app) {
  const ok = async () => ({ ok: true })
  app.get('/', ok)
  app.post('/', ok)
  // A body of any size, thrown away as it comes: what is measured is the read, not what is done with it.
  app.addContentTypeParser('application/octet-stream', (_request, payload, done) => {
    payload.on('data', () => {}).on('end', () => done(null)).on('error', done)
  })
}

/** Where the log of a typical application goes: the file has no name any more once it is open, and ends with the process. */
const logFile = join(tmpdir(), `read-guard-bench-${process.pid}.log`)

/** @param {FastifyInstance} app */
async function addTypical (app) {
  await app.register(cors)
  await app.register(helmet)
  app.addHook('onRequest', async ({ headers }) => {
    if (headers.authorization !== undefined) throw new Error('not needed here')
  })
}

/**
 * An application that is ready.
 *
 * @param {AppOptions} [options]
 */
export async function makeApp ({ kind = 'http', typical = false, guard, onRequest, before } = {}) {
  const logger = typical && { file: logFile }
  // The server is asked for nothing that those of the other kinds do not have.
  const app = fastify(/** @type {import('fastify').FastifyServerOptions} */ ({ ...kinds[kind], logger, bodyLimit: 100_000_000 }))
  // As most applications have: a plugin with a hook. Fastify limits its time to a fraction of a millisecond, and from then
  // on every timer of Node keeps its time in 16 bytes of its own, also those of connections.
  await app.register(async (scope) => { scope.addHook('onRequest', async () => {}) })
  before?.(app)
  if (guard !== undefined) await app.register(readGuard, guard)
  if (typical) await addTypical(app)
  if (onRequest !== undefined) app.addHook('onRequest', onRequest)
  addRoutes(app)
  await app.ready()
  if (typical) await rm(logFile)
  return app
}

/**
 * As `makeApp`, and it listens.
 *
 * @param {AppOptions} [options]
 */
export async function startApp (options) {
  const app = await makeApp(options)
  await app.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 })
  return app
}
