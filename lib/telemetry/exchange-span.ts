import { context, createContextKey, SpanStatusCode, trace, type Context, type Span } from '@opentelemetry/api'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ATTR_ERROR_TYPE, EVENT_FAILED, eventAttributes, type ReadFacts } from './semantic-conventions.js'

/**
 * Where instrumentations of HTTP servers leave the span of the request for those of frameworks (`getRPCMetadata` of
 * @opentelemetry/core, which would be one more dependency). The key is in the registry of symbols.
 */
const RPC_METADATA = createContextKey('OpenTelemetry SDK Context Key RPC_METADATA')

interface FailedExchange {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

/**
 * The context of a request. That in which its failure is noticed may be that of its socket; instrumentations bind its response to
 * the right one (`context.bind`), so that its listeners are called in it.
 */
function contextOf ({ reply: { raw } }: FailedExchange): Context {
  let found = context.active()
  const asking = Symbol('fastify-read-guard.context')
  raw.once(asking, () => { found = context.active() })
  raw.emit(asking)
  return found
}

function ifRecording (span: Span | undefined): Span | undefined {
  return span?.isRecording() === true ? span : undefined
}

/** The span of the server, as `@opentelemetry/instrumentation-http` makes it: until the response has closed. */
function serverSpan (exchange: FailedExchange): Span | undefined {
  const metadata = contextOf(exchange).getValue(RPC_METADATA) as { readonly span?: Span } | undefined // what is left there
  return ifRecording(metadata?.span)
}

/** The span of the request, as `@fastify/otel` makes it: until its answer is sent off, or the request is over. */
function frameworkSpan ({ request }: FailedExchange): Span | undefined {
  const { opentelemetry } = request as { opentelemetry?: unknown } // decorated by that plugin
  if (typeof opentelemetry !== 'function') return undefined
  try {
    const { span } = opentelemetry.call(request) as { readonly span?: Span | null } // if it is that plugin's
    return ifRecording(span ?? undefined)
  } catch {
    return undefined // of another plugin that has taken the name: what is thrown here would end the process
  }
}

/** The phases of a request that its span was told of: an answer may be told of before its record, and the other way round. */
const told = new WeakMap<FastifyRequest, ReadFacts['phase'][]>()

function isTold ({ request }: FailedExchange, { phase }: ReadFacts): boolean {
  return told.get(request)?.includes(phase) === true
}

function tell (span: Span | undefined, exchange: FailedExchange, facts: ReadFacts): void {
  if (span === undefined) return
  const { request, reply } = exchange
  told.set(request, [...told.get(request) ?? [], facts.phase])
  span.addEvent(EVENT_FAILED, eventAttributes(facts))
  if (facts.observed) return
  span.setAttribute(ATTR_ERROR_TYPE, facts.reason)
  // Semantic conventions: unset for 4xx on the server's side, an error where a response of another status could not be sent whole.
  if (facts.phase === 'response' && reply.raw.statusCode < 400) span.setStatus({ code: SpanStatusCode.ERROR })
}

/**
 * Tells the span of an exchange of a read that is about to be answered: the framework's ends before the answer leaves, and before
 * there is a record. The server's does not, and is told of the whole record.
 */
export function tellBeforeAnswer (exchange: FailedExchange, facts: ReadFacts): void {
  if (isTold(exchange, facts) || serverSpan(exchange) !== undefined) return
  tell(frameworkSpan(exchange) ?? ifRecording(trace.getActiveSpan()), exchange, facts)
}

/** Tells the span of an exchange of a record, unless it was told before. */
export function tellRecord (exchange: FailedExchange, record: ReadFacts): void {
  if (isTold(exchange, record)) return
  tell(serverSpan(exchange) ?? frameworkSpan(exchange) ?? ifRecording(trace.getActiveSpan()), exchange, record)
}
