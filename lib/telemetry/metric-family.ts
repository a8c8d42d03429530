import type { FastifyInstance } from 'fastify'
import type { AbortRecord } from '../record/abort-record.js'
import { OptionsInvalidError } from '../record/errors.js'
import type { ReadGuardStats } from '../stats.js'
import { boundedMethod, DURATION_BOUNDS, durationOf, READING_PHASES, SIZE_BOUNDS, sizeOf } from './measures.js'

/** What is used of a registry of `prom-client` or `@prometheus-io/client`. */
export interface PrometheusRegistry {
  getSingleMetric (name: string): unknown
}

/** What is used of the module `prom-client` or `@prometheus-io/client`. What its classes take is for the client to say. */
export interface PrometheusClient {
  readonly Counter: new (configuration: never) => unknown
  readonly Gauge: new (configuration: never) => unknown
  readonly Histogram: new (configuration: never) => unknown
  readonly Registry: new (...args: never) => PrometheusRegistry
  /** The registry where no other is given. */
  readonly register: PrometheusRegistry
}

interface Configuration<Label extends string> {
  readonly name: string
  readonly help: string
  readonly labelNames?: readonly Label[]
  readonly buckets?: number[]
  readonly registers: readonly PrometheusRegistry[]
  readonly collect?: () => void
}

type Labels<Label extends string> = Readonly<Record<Label, string>>

interface Counter<Label extends string> {
  inc (labels: Labels<Label>): void
}

interface PlainCounter {
  inc (value: number): void
}

interface Gauge<Label extends string> {
  set (labels: Labels<Label>, value: number): void
}

interface Histogram<Label extends string> {
  observe (labels: Labels<Label>, value: number): void
}

/** The classes of a client, as both clients have them. Their own types differ in their generics. */
interface Metrics {
  readonly Counter: new <Label extends string>(configuration: Configuration<Label>) => Counter<Label> & PlainCounter
  readonly Gauge: new <Label extends string>(configuration: Configuration<Label>) => Gauge<Label>
  readonly Histogram: new <Label extends string>(configuration: Configuration<Label>) => Histogram<Label>
}

/** A counter of the guard's in one of the client's: what was added since it was looked at last is added, so that the sum never falls though applications close. */
class Carried {
  readonly #counter: PlainCounter
  readonly #count: () => number
  #carried = 0

  constructor (counter: PlainCounter, count: () => number) {
    this.#counter = counter
    this.#count = count
  }

  carry (): void {
    const count = this.#count()
    this.#counter.inc(count - this.#carried)
    this.#carried = count
  }
}

/** One application that counts in a family. */
interface Member {
  readonly stats: () => ReadGuardStats
  readonly lingers: Carried
  readonly suppressed: Carried
}

type FailureLabel = 'reason' | 'phase' | 'blame' | 'route' | 'method' | 'observed'

/** By one of the metrics of each: a registry that was cleared has none of it, and is given a new one. */
const families = new WeakMap<object, MetricFamily>()

/** The metrics of one registry, of all applications that count there. */
export class MetricFamily {
  readonly #members = new Map<FastifyInstance, Member>()
  readonly #metrics: ReadonlyMap<string, object>
  readonly #failures: Counter<FailureLabel>
  readonly #durations: Histogram<'reason' | 'phase'>
  readonly #sizes: Histogram<'phase'>
  readonly #lingers: PlainCounter
  readonly #suppressed: PlainCounter

  /**
   * The metrics of a registry that have this prefix: made, or those that are there.
   *
   * @throws {OptionsInvalidError} where another metric has one of the names
   */
  static of (client: PrometheusClient, registry: PrometheusRegistry, prefix: string, option: string): MetricFamily {
    const present = Object.values(namesOf(prefix)).map((name) => [name, registry.getSingleMetric(name) as object | undefined] as const)
    const family = present.map(([, metric]) => metric && families.get(metric)).find((known) => known !== undefined)
    for (const [name, metric] of present) {
      if (metric === undefined || (family !== undefined && family.#metrics.get(name) === metric)) continue
      throw new OptionsInvalidError(option, `must make names that the registry does not have yet: another metric is called ${name}`, `'${prefix}'`)
    }
    return family ?? new MetricFamily(client as unknown as Metrics, registry, prefix) // whose classes were looked at
  }

  private constructor ({ Counter, Gauge, Histogram }: Metrics, registry: PrometheusRegistry, prefix: string) {
    const registers = [registry]
    const names = namesOf(prefix)
    this.#failures = new Counter({
      name: names.failures,
      help: 'Reads that failed, or would have been refused (observed="true").',
      labelNames: ['reason', 'phase', 'blame', 'route', 'method', 'observed'],
      registers
    })
    this.#durations = new Histogram({
      name: names.durations,
      help: 'How long reads that failed had taken, in seconds of the client\'s own time.',
      labelNames: ['reason', 'phase'],
      buckets: [...DURATION_BOUNDS], // which the clients freeze
      registers
    })
    this.#sizes = new Histogram({
      name: names.sizes,
      help: 'How far reads that failed had got, in bytes.',
      labelNames: ['phase'],
      buckets: [...SIZE_BOUNDS],
      registers
    })
    const reading: Gauge<'phase'> = new Gauge({
      name: names.reading,
      help: 'Reads under way now.',
      labelNames: ['phase'],
      registers,
      collect: () => {
        const all = [...this.#members.values()].map(({ stats }) => stats().reading)
        for (const phase of READING_PHASES) reading.set({ phase }, all.reduce((sum, each) => sum + each[phase], 0))
      }
    })
    this.#lingers = new Counter({
      name: names.lingers,
      help: 'How often what a client still sent after its answer was read and thrown away.',
      registers,
      collect: () => { for (const { lingers } of this.#members.values()) lingers.carry() }
    })
    this.#suppressed = new Counter({
      name: names.suppressed,
      help: 'Records that logLimit left out of the log.',
      registers,
      collect: () => { for (const { suppressed } of this.#members.values()) suppressed.carry() }
    })
    this.#metrics = new Map(Object.values(names).map((name) => [name, registry.getSingleMetric(name) as object])) // made above
    for (const metric of this.#metrics.values()) families.set(metric, this)
  }

  has (application: FastifyInstance): boolean {
    return this.#members.has(application)
  }

  add (application: FastifyInstance, stats: () => ReadGuardStats): void {
    this.#members.set(application, {
      stats,
      lingers: new Carried(this.#lingers, () => stats().lingered),
      suppressed: new Carried(this.#suppressed, () => stats().suppressed)
    })
  }

  /** Takes leave of an application, whose counts stay. */
  remove (application: FastifyInstance): void {
    const member = this.#members.get(application)
    this.#members.delete(application)
    member?.lingers.carry()
    member?.suppressed.carry()
  }

  record (record: AbortRecord): void {
    const { reason, phase, blame, route = '', method, observed } = record
    this.#failures.inc({ reason, phase, blame, route, method: method === undefined ? '' : boundedMethod(method), observed: String(observed) })
    this.#durations.observe({ reason, phase }, durationOf(record))
    const size = sizeOf(record)
    if (size !== undefined) this.#sizes.observe({ phase }, size)
  }
}

function namesOf (prefix: string) {
  return {
    failures: `${prefix}read_failures_total`,
    durations: `${prefix}failed_read_duration_seconds`,
    sizes: `${prefix}failed_read_bytes`,
    reading: `${prefix}active_reads`,
    lingers: `${prefix}lingers_total`,
    suppressed: `${prefix}log_suppressed_total`
  } as const
}
