import type { InjectOptions } from 'fastify'
import { outcomeOf, start, type Limits, type Observation, type Sent } from './body-exchange.js'
import type { Consumer } from '../app/consumer.js'
import { watchLag } from './loop-lag.js'
import { delay } from '../client/raw-client.js'

/** Who has no answer after so many milliseconds won't get one. */
const PATIENCE = 4_000

/** A way in which the body of an injected request fails. */
export interface InjectedFailure extends Limits {
  /** What is injected, beside method, URL and headers. */
  readonly payload: (consumer: Consumer) => InjectOptions & { readonly sent: Sent }
}

/** The `payload` fails in every one of the consumers, as in `observeAll`. */
export async function observeInjected (consumers: readonly Consumer[], failure: InjectedFailure): Promise<Observation[]> {
  const exchanges = await Promise.all(consumers.map((consumer) => start(consumer, failure)))
  const observations = await Promise.all(exchanges.map(async (exchange): Promise<Observation> => {
    const { consumer, guarded: { app } } = exchange
    const { sent, headers, ...options } = failure.payload(consumer)
    const lag = watchLag()
    const begun = performance.now()
    let answerAfter = NaN
    const gaveUp = delay(PATIENCE).then(() => [])
    const answered = app.inject({ method: 'POST', url: consumer.url, ...options, headers: { ...consumer.headers, ...headers } }).then((response) => {
      answerAfter = performance.now() - begun
      const json = String(response.headers['content-type']).includes('json') ? response.json<Record<string, unknown>>() : {}
      return [{ statusCode: response.statusCode, headers: response.headers as Record<string, string>, json }]
    }, () => []) // no answer is no answer
    const answers = await Promise.race([answered, gaveUp])
    return { ...await outcomeOf(exchange), consumer, sent, seen: undefined, answers, answerAfter, lag: lag(), remotePort: undefined }
  }))
  await Promise.all(exchanges.map(({ guarded }) => guarded.app.close()))
  return observations
}
