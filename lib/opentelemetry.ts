import { metrics, type MeterProvider } from '@opentelemetry/api'
import type { FastifyRequest } from 'fastify'
import { givenIn, merge, must, refuseUnknown } from './limits/rules.js'
import { isReadError, OptionsInvalidError, type ReadError } from './record/errors.js'
import { tellBeforeAnswer, tellRecord } from './telemetry/exchange-span.js'
import { guardedApplication, type GuardedInstance } from './telemetry/guarded-application.js'
import { KNOWN_METHODS } from './telemetry/measures.js'
import { ReadMeter } from './telemetry/read-meter.js'
import { factsOf, KNOWN_METHODS_VARIABLE } from './telemetry/semantic-conventions.js'

export type { GuardedInstance } from './telemetry/guarded-application.js'

export interface TelemetryOptions {
  /** Where the instruments are made; by default the one that the application's SDK has registered, which must have been started by now. */
  readonly meterProvider?: MeterProvider | undefined
}

const CALLER = 'registerTelemetry'

const meterProvider = must('a MeterProvider, with getMeter()',
  (value): value is MeterProvider => typeof value === 'object' && value !== null && 'getMeter' in value && typeof value.getMeter === 'function')

function knownMethods (): ReadonlySet<string> {
  const given = process.env[KNOWN_METHODS_VARIABLE]
  return given === undefined || given === '' ? KNOWN_METHODS : new Set(given.split(',').map((method) => method.trim()))
}

/** What Fastify's own refusals of a body are called. */
const REFUSED_BODY = 'FST_ERR_CTP_'

/** The read that failed where an error is answered, if one did. Of a body that Fastify refuses by itself, the guard's error is not the one that is answered. */
function failedRead (request: FastifyRequest, error: unknown): ReadError | undefined {
  if (isReadError(error)) return error
  const { code } = (error ?? {}) as { readonly code?: unknown } // whatever the application throws
  if (typeof code !== 'string' || !code.startsWith(REFUSED_BODY)) return undefined
  // In a context in which the guard is not registered, a request has none of it.
  const reason: unknown = (request as Partial<FastifyRequest>).readGuard?.signal.reason
  return isReadError(reason) ? reason : undefined
}

/**
 * Reports the reads of an application that fail to OpenTelemetry: as metrics, and on the span of their request, as `error.type`
 * and an event. Reads that fail before there is a request have no span. Applications that share a provider share its instruments, as sums.
 *
 * @param app an instance in which the guard is registered by now
 * @throws {OptionsInvalidError} `FST_READ_OPTIONS_INVALID` for a wrong option, an application without the guard, and one that
 * reports to that provider already
 */
export function registerTelemetry (app: GuardedInstance, options: TelemetryOptions = {}): void {
  const { root, stats, observe } = guardedApplication(app, CALLER)
  const given = givenIn(options, `${CALLER}: options`, 'must be a plain object')
  refuseUnknown(given, ['meterProvider'], `${CALLER}: `)
  const { meterProvider: provider } = merge({ meterProvider }, { meterProvider: metrics.getMeterProvider() }, given, `${CALLER}: `)
  const meter = ReadMeter.of(provider)
  if (meter.has(root)) throw new OptionsInvalidError(`${CALLER}: app`, 'can be registered once with a provider', 'a second time')
  const known = knownMethods()
  observe(({ record, request, reply }) => {
    meter.record(record, known)
    if (request !== undefined && reply !== undefined) tellRecord({ request, reply }, record)
  }, () => { meter.remove(root) })
  root.addHook('onError', function tellFailedRead (request, reply, error, done) {
    const failure = failedRead(request, error)
    if (failure !== undefined) tellBeforeAnswer({ request, reply }, factsOf(failure))
    done()
  })
  meter.add(root, stats)
}
