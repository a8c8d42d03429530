import fp from 'fastify-plugin'

/**
 * A plugin of the guard's shape that does nothing: its name, its decorators and its hooks. A test that fails with it as well sees that
 * there is a plugin, not what the guard does.
 *
 * @param {import('fastify').FastifyInstance} app
 */
async function empty (app) {
  app.decorate('readGuard', { stats: () => { throw new Error('The empty plugin counts nothing') } })
  app.decorateRequest('readGuard', { getter: () => { throw new Error('The empty plugin has no limits') } })
  app.decorateRequest('readRawBody', () => { throw new Error('The empty plugin reads nothing') })
  app.addHook('preClose', (done) => done())
  app.addHook('onReady', (done) => done())
  app.addHook('onListen', (done) => done())
  app.addHook('onClose', (_app, done) => done())
  app.addHook('onError', (_request, _reply, _error, done) => done())
}

export const emptyPlugin = fp(empty, { fastify: '5.x', name: 'fastify-read-guard' })
