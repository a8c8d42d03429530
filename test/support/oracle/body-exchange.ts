import { once } from 'node:events'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import type { AbortRecord, ReadGuardOptions } from '../../../lib/index.js'
import type { Consumer } from '../app/consumer.js'
import { guardedApp, type GuardedApp, type LogLine, noise } from '../app/guarded-app.js'
import { parseAnswers, RawClient, type Answer, type Seen } from '../client/raw-client.js'
import { watchLag } from './loop-lag.js'
import { until } from './until.js'

/** What a client knows of its body. */
export interface Sent {
  /** Body bytes that the server receives before the failure; `undefined` where that depends on when it is noticed. */
  readonly received: number | undefined
  /** Its `Content-Length`. */
  readonly declared: number | undefined
}

/** A way in which a body fails, and the limits that it breaks. */
export interface Failure {
  readonly name: string
  readonly guard: ReadGuardOptions
  readonly fastify?: FastifyServerOptions
  /** What the client does; it need not wait for the end. `dispatched` resolves when the request has reached the application. */
  readonly send: (client: RawClient, consumer: Consumer, dispatched: Promise<unknown>) => Promise<Sent>
}

/** What the application saw of one body that failed. */
interface Outcome {
  readonly records: readonly AbortRecord[]
  /** What the application's error handler, and `onError`, were called with. */
  readonly handled: readonly Error[]
  readonly onError: readonly Error[]
  readonly reqIds: readonly string[]
  readonly noise: readonly LogLine[]
  /** What has not come to its end. */
  readonly hanging: readonly string[]
}

/** All that both sides saw of it, once nothing more can come. */
export interface Observation extends Outcome {
  readonly consumer: Consumer
  readonly sent: Sent
  /** The end of the connection, where there is one. */
  readonly seen: Seen | undefined
  readonly answers: ReadonlyArray<Pick<Answer, 'statusCode' | 'headers' | 'json'>>
  /** Milliseconds from the request's beginning to its answer; NaN without one. */
  readonly answerAfter: number
  /** Milliseconds in which this process could not run meanwhile. */
  readonly lag: number
  readonly remotePort: number | undefined
}

/** What has begun and has to end. */
class Pending {
  readonly #pending: string[] = []

  begin (what: string): () => void {
    this.#pending.push(what)
    return () => { this.#pending.splice(this.#pending.indexOf(what), 1) }
  }

  list (): readonly string[] {
    return [...this.#pending]
  }
}

export interface Exchange {
  readonly consumer: Consumer
  readonly guarded: GuardedApp
  readonly pending: Pending
  readonly reqIds: readonly string[]
}

function watchServer (app: FastifyInstance, pending: Pending): void {
  app.server.on('connection', (socket) => { socket.once('close', pending.begin('socket')) })
  app.server.on('request', (_request, response) => { response.once('close', pending.begin('response')) })
}

export type Limits = Pick<Failure, 'guard' | 'fastify'>

export async function start (consumer: Consumer, { guard, fastify }: Limits): Promise<Exchange> {
  const pending = new Pending()
  const reqIds: string[] = []
  const guarded = await guardedApp({
    guard,
    fastify: {
      ...fastify,
      genReqId: () => {
        reqIds.push(`request ${reqIds.length + 1}`)
        return reqIds.at(-1) ?? ''
      }
    },
    routes: async (app) => {
      watchServer(app, pending)
      await consumer.register(app, (work) => {
        const end = pending.begin('handler')
        work.then(end, end)
        return work
      })
    }
  })
  return { consumer, guarded, pending, reqIds }
}

function hanging ({ guarded, pending }: Exchange): string[] {
  const reading = Object.entries(guarded.app.readGuard.stats().reading).filter(([, count]) => count > 0).map(([phase]) => `reading ${phase}`)
  return [...pending.list(), ...reading]
}

/** What the application saw, once all has ended, or will not. */
export async function outcomeOf (exchange: Exchange, isOver = () => true): Promise<Outcome> {
  const { guarded: { records, handled, onError, log }, reqIds } = exchange
  await until(() => isOver() && hanging(exchange).length === 0, 'nothing hangs').catch(() => {}) // what does is for the test to say
  return { records, handled, onError, reqIds, noise: noise(log), hanging: hanging(exchange) }
}

async function observe (exchange: Exchange, { send }: Failure): Promise<Observation> {
  const { consumer, guarded } = exchange
  const client = new RawClient(guarded.port)
  await client.connected()
  const remotePort = client.socket.localPort
  const lag = watchLag()
  const begun = performance.now()
  let answerAfter = NaN
  client.socket.once('data', () => { answerAfter = performance.now() - begun })
  const sent = await send(client, consumer, once(guarded.app.server, 'request'))
  const outcome = await outcomeOf(exchange, () => client.socket.closed)
  client.socket.destroy()
  const seen = await client.closed
  return { ...outcome, consumer, sent, seen, answers: parseAnswers(seen.text), answerAfter, lag: lag(), remotePort }
}

/** Has the body fail in every one of the consumers, all at the same time, each in an application of its own. */
export async function observeAll (consumers: readonly Consumer[], failure: Failure): Promise<Observation[]> {
  const exchanges = await Promise.all(consumers.map((consumer) => start(consumer, failure)))
  const observations = await Promise.all(exchanges.map((exchange) => observe(exchange, failure)))
  await Promise.all(exchanges.map(({ guarded }) => guarded.app.close()))
  return observations
}
