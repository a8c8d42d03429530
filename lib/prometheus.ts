import { givenIn, merge, must, refuseUnknown, shown, type Rule, type Rules } from './limits/rules.js'
import { OptionsInvalidError } from './record/errors.js'
import { guardedApplication, type GuardedInstance } from './telemetry/guarded-application.js'
import { MetricFamily, type PrometheusClient, type PrometheusRegistry } from './telemetry/metric-family.js'

export type { GuardedInstance } from './telemetry/guarded-application.js'
export type { PrometheusClient, PrometheusRegistry } from './telemetry/metric-family.js'

export interface MetricsOptions {
  /**
   * The module `prom-client` or `@prometheus-io/client`, as the application itself imports it: a copy of our own would have a
   * registry of its own, which nothing scrapes.
   */
  readonly client: PrometheusClient
  /** What the names begin with; `fastify_read_guard_` by default. */
  readonly prefix?: string | undefined
  /** The registries of the client to register in; its own `register` by default. */
  readonly registers?: readonly PrometheusRegistry[] | undefined
}

/** What has a default. */
interface Names {
  readonly prefix: string
  readonly registers: readonly PrometheusRegistry[]
}

const CALLER = 'registerMetrics'

const CLIENT_RULE = 'the module prom-client or @prometheus-io/client, with Counter, Gauge, Histogram, Registry and register'

function isRegistry (value: unknown): value is PrometheusRegistry {
  return typeof value === 'object' && value !== null && 'getSingleMetric' in value && typeof value.getSingleMetric === 'function'
}

function isClient (value: unknown): value is PrometheusClient {
  if (typeof value !== 'object' || value === null) return false
  const { Counter, Gauge, Histogram, Registry, register } = value as Partial<Record<string, unknown>>
  return [Counter, Gauge, Histogram, Registry].every((member) => typeof member === 'function') && isRegistry(register)
}

/** Every client is shown, and none printed: they are large. */
const clientRule: Rule<PrometheusClient> = (value, option) => {
  if (isClient(value)) return value
  const got = typeof value === 'object' && value !== null ? `an object with ${Object.keys(value).slice(0, 5).join(', ') || 'nothing in it'}` : shown(value)
  throw new OptionsInvalidError(option, `must be ${CLIENT_RULE}`, got)
}

const prefixRule = must('letters, digits, _ and :, not beginning with a digit',
  (value): value is string => typeof value === 'string' && /^(?:[a-z_:][a-z\d_:]*)?$/i.test(value))

function registersRule (client: PrometheusClient): Rule<readonly PrometheusRegistry[]> {
  return must('an array of at least one registry of the client that was given: two copies of a client have nothing in common',
    (value): value is readonly PrometheusRegistry[] => Array.isArray(value) && value.length > 0 && value.every((register) => register instanceof client.Registry))
}

/**
 * Registers the metrics of an application's guard. What fails is counted as it is published, what is under way is asked for when
 * it is scraped: a request that does well costs nothing. Applications that register in the same registry share its metrics, as
 * sums; one that closes leaves what it has counted.
 *
 * @param app an instance in which the guard is registered by now
 * @throws {OptionsInvalidError} `FST_READ_OPTIONS_INVALID` for a wrong option, an application without the guard, one that is
 * registered in that registry already, and names that something else has there
 */
export function registerMetrics (app: GuardedInstance, options: MetricsOptions): void {
  const { root, stats, observe } = guardedApplication(app, CALLER)
  const given = givenIn(options, `${CALLER}: options`, 'must be a plain object with the client')
  refuseUnknown(given, ['client', 'prefix', 'registers'], `${CALLER}: `)
  const client = clientRule(given.get('client'), `${CALLER}: client`, undefined)
  const rules: Rules<Names> = { prefix: prefixRule, registers: registersRule(client) }
  const { prefix, registers } = merge(rules, { prefix: 'fastify_read_guard_', registers: [client.register] }, given, `${CALLER}: `)
  const families = [...new Set(registers)].map((registry) => MetricFamily.of(client, registry, prefix, `${CALLER}: prefix`))
  if (families.some((family) => family.has(root))) {
    throw new OptionsInvalidError(`${CALLER}: app`, 'can be registered once in a registry, with one prefix', 'a second time')
  }
  observe(({ record }) => {
    for (const family of families) family.record(record)
  }, () => {
    for (const family of families) family.remove(root)
  })
  for (const family of families) family.add(root, stats)
}
