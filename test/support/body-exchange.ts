import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import type { AbortRecord, ReadGuardOptions } from '../../lib/index.js'
import type { Consumer } from './consumers.js'
import { guardedApp, noise, until, type GuardedApp, type LogLine } from './guarded-app.js'
import { watchLag } from './loop-lag.js'
import { parseAnswers, RawClient, type Answer, type Seen } from './raw-client.js'

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
  /** What the client does; it need not wait for the end. */
  readonly send: (client: RawClient, consumer: Consumer) => Promise<Sent>
}

/** All that both sides saw of one failed body, once nothing more can come. */
export interface Observation {
  readonly consumer: Consumer
  readonly sent: Sent
  readonly seen: Seen
  readonly answers: readonly Answer[]
  /** Milliseconds from the client's first byte to the first of the answer; NaN without one. */
  readonly answerAfter: number
  /** Milliseconds in which this process could not run meanwhile. */
  readonly lag: number
  readonly remotePort: number | undefined
  readonly records: readonly AbortRecord[]
  /** What the application's error handler, and `onError`, were called with. */
  readonly handled: readonly Error[]
  readonly onError: readonly Error[]
  readonly reqIds: readonly string[]
  readonly noise: readonly LogLine[]
  /** What has not come to its end. */
  readonly hanging: readonly string[]
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

interface Exchange {
  readonly consumer: Consumer
  readonly failure: Failure
  readonly guarded: GuardedApp
  readonly pending: Pending
  readonly reqIds: readonly string[]
}

function watchServer (app: FastifyInstance, pending: Pending): void {
  app.server.on('connection', (socket) => { socket.once('close', pending.begin('socket')) })
  app.server.on('request', (_request, response) => { response.once('close', pending.begin('response')) })
}

async function start (consumer: Consumer, failure: Failure): Promise<Exchange> {
  const pending = new Pending()
  const reqIds: string[] = []
  const guarded = await guardedApp({
    guard: failure.guard,
    fastify: {
      ...failure.fastify,
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
  return { consumer, failure, guarded, pending, reqIds }
}

function hanging ({ guarded, pending }: Exchange): string[] {
  const reading = Object.entries(guarded.app.readGuard.stats().reading).filter(([, count]) => count > 0).map(([phase]) => `reading ${phase}`)
  return [...pending.list(), ...reading]
}

async function observe (exchange: Exchange): Promise<Observation> {
  const { consumer, failure, guarded } = exchange
  const client = new RawClient(guarded.port)
  await client.connected()
  const remotePort = client.socket.localPort
  const lag = watchLag()
  const begun = performance.now()
  let answerAfter = NaN
  client.socket.once('data', () => { answerAfter = performance.now() - begun })
  const sent = await failure.send(client, consumer)
  await until(() => client.socket.closed && hanging(exchange).length === 0, 'nothing hangs').catch(() => {}) // what does is for the test to say
  const left = hanging(exchange)
  client.socket.destroy()
  const seen = await client.closed
  return {
    consumer,
    sent,
    seen,
    answers: parseAnswers(seen.text),
    answerAfter,
    lag: lag(),
    remotePort,
    records: guarded.records,
    handled: guarded.handled,
    onError: guarded.onError,
    reqIds: exchange.reqIds,
    noise: noise(guarded.log),
    hanging: left
  }
}

/** Has the body fail in every one of the consumers, all at the same time, each in an application of its own. */
export async function observeAll (consumers: readonly Consumer[], failure: Failure): Promise<Observation[]> {
  const exchanges = await Promise.all(consumers.map((consumer) => start(consumer, failure)))
  const observations = await Promise.all(exchanges.map(observe))
  await Promise.all(exchanges.map(({ guarded }) => guarded.app.close()))
  return observations
}
