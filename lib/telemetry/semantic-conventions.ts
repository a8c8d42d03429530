import type { Attributes } from '@opentelemetry/api'
import { blameFor, type ReadError } from '../record/errors.js'
import type { AbortRecord } from '../record/abort-record.js'

/*
 * The names of OpenTelemetry's semantic conventions, as of version 1.44 (docs/registry/attributes/error.md and http.md there).
 * Their package has many more of them, and is nothing to depend on for three.
 */

/** The version that the names are of. */
export const SCHEMA_URL = 'https://opentelemetry.io/schemas/1.44.0'

/** "Describes a class of error the operation ended with": our `reason`. */
export const ATTR_ERROR_TYPE = 'error.type'
/** "The matched route": left out where there is none. */
export const ATTR_HTTP_ROUTE = 'http.route'
/** A known one, or `_OTHER`. */
export const ATTR_HTTP_REQUEST_METHOD = 'http.request.method'

/** Their name for the list of methods that are known, in the place of the default; an instrumentation must heed it. */
export const KNOWN_METHODS_VARIABLE = 'OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS'

/*
 * Our own names: the key of a record behind a namespace.
 */

const NAMESPACE = 'fastify_read_guard'

export const ATTR_PHASE = `${NAMESPACE}.phase`
export const ATTR_BLAME = `${NAMESPACE}.blame`
export const ATTR_OBSERVED = `${NAMESPACE}.observed`

export const METRIC_FAILURES = `${NAMESPACE}.read.failures`
export const METRIC_DURATION = `${NAMESPACE}.failed_read.duration`
export const METRIC_SIZE = `${NAMESPACE}.failed_read.size`
export const METRIC_ACTIVE = `${NAMESPACE}.active_reads`

export const EVENT_FAILED = `${NAMESPACE}.read.failed`

/** What a record says of the read alone: the rest of it is the request's, and the span's own affair. */
const FACTS = ['code', 'reason', 'phase', 'blame', 'answered', 'received', 'expected', 'sent', 'limit', 'elapsed', 'paused', 'idle', 'rate', 'observed'] as const satisfies ReadonlyArray<keyof AbortRecord>

/** A record, or what is known of a read before its record is written. */
export type ReadFacts = Omit<Pick<AbortRecord, (typeof FACTS)[number]>, 'answered' | 'sent'> & Partial<Pick<AbortRecord, 'answered' | 'sent'>>

/** The facts of a read whose record is not written yet: it is not known whether its answer leaves. */
export function factsOf (error: ReadError): ReadFacts {
  const { code, reason, phase, received, expected, limit, elapsed, paused, idle, rate } = error
  return { code, reason, phase, blame: blameFor(code), received, expected, limit, elapsed, paused, idle, rate, observed: false }
}

/** The attributes of the event that tells of a read that failed, in the units of the record. */
export function eventAttributes (facts: ReadFacts): Attributes {
  return Object.fromEntries(FACTS.flatMap((name) => facts[name] === undefined ? [] : [[`${NAMESPACE}.${name}`, facts[name]]]))
}
