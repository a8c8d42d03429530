import fastify, { LogController } from 'fastify'
import t from 'tap'
import readGuard from '../../../lib/index.js'

t.test('applications that share what writes their log lines are guarded each, and it is overridden once', async (t) => {
  const logController = new LogController({})
  const start = async (bodyLimit: number) => {
    const app = fastify({ logController })
    await app.register(readGuard, { bodyLimit, onAbort: () => {} })
    app.post('/', async () => 'fine')
    await app.ready()
    const statusOf = async (payload: string) => (await app.inject({ method: 'POST', url: '/', payload, headers: { 'content-type': 'text/plain' } })).statusCode
    return { app, statusOf }
  }
  const first = await start(3)
  const { incomingRequest } = logController
  const second = await start(5)
  t.equal(logController.incomingRequest, incomingRequest)
  t.same([await first.statusOf('four'), await second.statusOf('four'), await second.statusOf('sixsix')], [413, 200, 413])
  await first.app.close()
  const third = await start(3)
  t.same([await third.statusOf('four'), await second.statusOf('four')], [413, 200])
  await Promise.all([second, third].map(async ({ app }) => app.close()))
})
