import { ValueType, type Attributes, type Counter, type Histogram, type MeterProvider } from '@opentelemetry/api'
import type { FastifyInstance } from 'fastify'
import type { AbortRecord } from '../record/abort-record.js'
import type { ReadGuardStats } from '../stats.js'
import { boundedMethod, DURATION_BOUNDS, durationOf, READING_PHASES, SIZE_BOUNDS, sizeOf } from './measures.js'
import {
  ATTR_BLAME, ATTR_ERROR_TYPE, ATTR_HTTP_REQUEST_METHOD, ATTR_HTTP_ROUTE, ATTR_OBSERVED, ATTR_PHASE, METRIC_ACTIVE, METRIC_DURATION, METRIC_FAILURES,
  METRIC_SIZE, SCHEMA_URL
} from './semantic-conventions.js'

const meters = new WeakMap<MeterProvider, ReadMeter>()

/** The instruments of one provider, of all applications that count there: of what several callbacks observe, the last alone would stand. */
export class ReadMeter {
  readonly #members = new Map<FastifyInstance, () => ReadGuardStats>()
  readonly #failures: Counter
  readonly #durations: Histogram
  readonly #sizes: Histogram

  static of (provider: MeterProvider): ReadMeter {
    const known = meters.get(provider)
    if (known !== undefined) return known
    const made = new ReadMeter(provider)
    meters.set(provider, made)
    return made
  }

  private constructor (provider: MeterProvider) {
    const meter = provider.getMeter('fastify-read-guard', undefined, { schemaUrl: SCHEMA_URL })
    this.#failures = meter.createCounter(METRIC_FAILURES, {
      description: 'Reads that failed, or would have been refused (observed).',
      unit: '{read}',
      valueType: ValueType.INT
    })
    this.#durations = meter.createHistogram(METRIC_DURATION, {
      description: 'How long reads that failed had taken, in the client\'s own time.',
      unit: 's',
      advice: { explicitBucketBoundaries: [...DURATION_BOUNDS] }
    })
    this.#sizes = meter.createHistogram(METRIC_SIZE, {
      description: 'How far reads that failed had got.',
      unit: 'By',
      valueType: ValueType.INT,
      advice: { explicitBucketBoundaries: [...SIZE_BOUNDS] }
    })
    meter.createObservableUpDownCounter(METRIC_ACTIVE, {
      description: 'Reads under way now.',
      unit: '{read}',
      valueType: ValueType.INT
    }).addCallback((result) => {
      const all = [...this.#members.values()].map((stats) => stats().reading)
      for (const phase of READING_PHASES) result.observe(all.reduce((sum, each) => sum + each[phase], 0), { [ATTR_PHASE]: phase })
    })
  }

  has (application: FastifyInstance): boolean {
    return this.#members.has(application)
  }

  add (application: FastifyInstance, stats: () => ReadGuardStats): void {
    this.#members.set(application, stats)
  }

  remove (application: FastifyInstance): void {
    this.#members.delete(application)
  }

  /** @param knownMethods by their own names; all others count as one */
  record (record: AbortRecord, knownMethods: ReadonlySet<string>): void {
    const { reason, phase, blame, observed, route, method } = record
    const read: Attributes = { [ATTR_ERROR_TYPE]: reason, [ATTR_PHASE]: phase }
    const failure: Attributes = { ...read, [ATTR_BLAME]: blame, [ATTR_OBSERVED]: observed }
    if (route !== undefined) failure[ATTR_HTTP_ROUTE] = route
    if (method !== undefined) failure[ATTR_HTTP_REQUEST_METHOD] = boundedMethod(method, knownMethods)
    this.#failures.add(1, failure)
    this.#durations.record(durationOf(record), read)
    const size = sizeOf(record)
    if (size !== undefined) this.#sizes.record(size, { [ATTR_PHASE]: phase })
  }
}
