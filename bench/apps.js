import fastify from 'fastify'
import readGuard from '../dist/index.js'
import { certificate } from './certificate.js'

/** @typedef {import('fastify').FastifyInstance} FastifyInstance */

/**
 * @typedef {object} AppOptions
 * @property {'http' | 'https' | 'http2'} [kind]
 * @property {import('../dist/index.js').ReadGuardOptions} [guard] without them there is none
 * @property {import('fastify').onRequestHookHandler} [onRequest]
 * @property {(app: FastifyInstance) => void} [before] called before the guard is registered
 */

const kinds = {
  http: {},
  https: { https: certificate },
  http2: { http2: true, https: certificate }
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

/**
 * An application that listens.
 *
 * @param {AppOptions} [options]
 */
export async function startApp ({ kind = 'http', guard, onRequest, before } = {}) {
  // The server is asked for nothing that those of the other kinds do not have.
  const app = fastify(/** @type {import('fastify').FastifyServerOptions} */ ({ ...kinds[kind], bodyLimit: 100_000_000 }))
  // As most applications have: a plugin with a hook. Fastify limits its time to a fraction of a millisecond, and from then
  // on every timer of Node keeps its time in 16 bytes of its own, also those of connections.
  await app.register(async (scope) => { scope.addHook('onRequest', async () => {}) })
  before?.(app)
  if (guard !== undefined) await app.register(readGuard, guard)
  if (onRequest !== undefined) app.addHook('onRequest', onRequest)
  addRoutes(app)
  await app.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 })
  return app
}
