import { Writable } from 'node:stream'
import fastify, { type FastifyBaseLogger, type FastifyServerOptions } from 'fastify'
import { pino } from 'pino'
import t from 'tap'
import { logsContext } from '../../../lib/node/fastify.js'

const nowhere = new Writable({ write (_line, _encoding, done) { done() } })
const silent = (): void => {}
const own = { level: 'info', info () {}, error () {}, fatal () {}, warn () {}, debug () {}, trace () {}, silent, child () { return own } } as unknown as FastifyBaseLogger // all that Fastify asks of one
const mixin = (): object => ({})

const loggers: ReadonlyArray<readonly [name: string, options: FastifyServerOptions, expected: boolean]> = [
  ['none', {}, false],
  ['pino', { logger: { stream: nowhere } }, false],
  ['pino with serializers of its own', { logger: { stream: nowhere, serializers: { req: () => ({}) } } }, false],
  ['pino with a mixin', { logger: { stream: nowhere, mixin } }, true],
  ['an instance of pino', { loggerInstance: pino(nowhere) }, false],
  ['an instance of pino with a mixin', { loggerInstance: pino({ mixin }, nowhere) }, true],
  ['a child of one with a mixin', { loggerInstance: pino({ mixin }, nowhere).child({ a: 1 }) }, true],
  ['a logger of another kind', { loggerInstance: own }, true]
]

for (const [name, options, expected] of loggers) {
  t.test(`what ${name} writes ${expected ? 'may depend' : 'does not depend'} on the context in which it is called`, async (t) => {
    t.equal(logsContext(fastify(options).log), expected)
  })
}
