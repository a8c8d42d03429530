import fastify from 'fastify'
import t from 'tap'
import readGuard from '../../../lib/index.js'
import { attack, attackedRoutes, ways } from '../../support/client/linger-attack.js'
import { watchLag } from '../../support/oracle/loop-lag.js'

const CLIENTS = 50
/** Before them, so that what Node keeps for the next time is not taken for theirs. */
const WARM_UP = 10
const LINGER = { timeout: 500, bytes: 100_000 }
const ONE_READ = 65_536
/** What a connection may cost while it is lingered on, with all that Node keeps of it, and afterwards, in bytes. */
const COST = 50_000
const COST_LEFT = 15_000

/** The answer that ends a read, and one of a hook, after which the connection would stay open. */
const attacks = [...ways.map((way) => ({ statusCode: 413, way } as const)), ...(['flood', 'chunks', 'trickle'] as const).map((way) => ({ statusCode: 401, way } as const))]

for (const { statusCode, way } of attacks) {
  t.test(`clients that go on after their ${statusCode} (${way}) hold no more than lingering allows, and nothing afterwards`, async (t) => {
    const app = fastify()
    await app.register(readGuard, { linger: LINGER, resolution: 50 })
    attackedRoutes(app)
    await app.listen({ port: 0, host: '127.0.0.1' })
    t.teardown(() => app.close())
    await attack(app, way, WARM_UP, { statusCode })
    const lag = watchLag()
    const held = await attack(app, way, CLIENTS, { statusCode })
    const late = lag()
    t.equal(held.left, 0, 'every one is closed')
    t.equal(held.answers, CLIENTS, 'every one could read its answer')
    t.ok(held.longest <= LINGER.timeout + late, `${held.longest} ms, of which this process could not run for up to ${late}`)
    t.ok(held.read < LINGER.bytes + ONE_READ, `${held.read} bytes read`)
    t.ok(held.heap < CLIENTS * COST, `${held.heap} bytes more in use`)
    t.ok(held.heapLeft < CLIENTS * COST_LEFT, `${held.heapLeft} bytes more in use afterwards`)
    const { aborted, lingered, reading } = app.readGuard.stats()
    t.equal(lingered, WARM_UP + CLIENTS)
    t.equal(reading.lingering, 0)
    t.same(aborted, statusCode === 413 ? { FST_READ_BODY_TOO_LARGE: WARM_UP + CLIENTS } : {}, 'what came after the answers is no read')
  })
}
