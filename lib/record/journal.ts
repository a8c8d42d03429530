import { AsyncResource } from 'node:async_hooks'
import diagnosticsChannel from 'node:diagnostics_channel'
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import { isSilent, logsContext, trustsProxy } from '../node/fastify.js'
import { levelOf, messageOf, type AbortRecord } from './abort-record.js'
import type { ReadErrorCode } from './errors.js'

const abortChannel = diagnosticsChannel.channel('fastify-read-guard.abort')
/** Published where there is a request: tracing finds its span by it. */
const exchangeChannel = diagnosticsChannel.channel('fastify-read-guard.exchange')

/** What is published where there is a request, and of one application in any case. */
export interface RecordedRead {
  readonly record: AbortRecord
  readonly request: FastifyRequest | undefined
  readonly reply: FastifyReply | undefined
}

/** What is said once in a process, by the code of the warning. */
const NO_LOG = 'FST_READ_NO_LOG'
const LOG_FAILED = 'FST_READ_LOG_FAILED'
let hasSaidNoLog = false
let hasSaidLogFailed = false

type Counts = Partial<Record<ReadErrorCode, number>>

/** Counts by code, as `stats()` shows them. */
export interface AbortCounts {
  readonly aborted: Readonly<Counts>
  readonly observed: Readonly<Counts>
  readonly suppressed: number
}

/** The options that the journal needs. */
export interface JournalOptions {
  /** Log lines per period, in milliseconds; `false` logs all. */
  readonly logLimit: { readonly records: number, readonly period: number } | false
  readonly onAbort: ((record: AbortRecord, request: FastifyRequest | undefined) => void) | undefined
}

/** Where records go: log, `onAbort`, diagnostics channel, counters. It keeps a flood of them out of the log. */
export class Journal {
  readonly #logLimit: JournalOptions['logLimit']
  readonly #onAbort: JournalOptions['onAbort']
  readonly #aborted: Counts = {}
  readonly #observed: Counts = {}
  #suppressed = 0
  #periodEnds = 0
  #loggedInPeriod = 0
  #suppressedInPeriod = 0
  #summary: NodeJS.Timeout | undefined
  readonly #outside = new AsyncResource('FastifyReadGuard')
  readonly #logsContext: boolean
  #hasSaidProxy = false
  /** Of this application alone: the other channels tell of all that are in the process, and do not say of which. */
  readonly #ownChannel = diagnosticsChannel.channel(Symbol('fastify-read-guard.application'))

  /** @param log the application's, for what has no request */
  constructor (readonly log: FastifyBaseLogger, options: JournalOptions) {
    this.#logLimit = options.logLimit
    this.#onAbort = options.onAbort
    this.#logsContext = logsContext(log)
  }

  /** By which name the channel of this application's records is subscribed to. */
  get channelName (): string | symbol {
    return this.#ownChannel.name
  }

  /** Whether anything that learns of a record may depend on the async context in which it does. */
  get tellsContext (): boolean {
    return this.#onAbort !== undefined || abortChannel.hasSubscribers || exchangeChannel.hasSubscribers || this.#ownChannel.hasSubscribers || this.#logsContext
  }

  write (record: AbortRecord, reply: FastifyReply | undefined): void {
    const request = reply?.request
    const counts = record.observed ? this.#observed : this.#aborted
    counts[record.code] = (counts[record.code] ?? 0) + 1
    this.#attempt(() => this.#writeLog(record, request?.log ?? this.log))
    if (request !== undefined) this.#warnOfProxy(request)
    this.#call(record, request)
    // publish() turns a subscriber's exception into an uncaught exception, as every diagnostics channel does.
    if (abortChannel.hasSubscribers) abortChannel.publish(record)
    if (reply !== undefined && exchangeChannel.hasSubscribers) exchangeChannel.publish({ record, request, reply })
    if (this.#ownChannel.hasSubscribers) this.#ownChannel.publish({ record, request, reply } satisfies RecordedRead)
  }

  counts (): AbortCounts {
    return { aborted: { ...this.#aborted }, observed: { ...this.#observed }, suppressed: this.#suppressed }
  }

  /** Says that something can't be guarded. */
  warn (message: string): void {
    this.#attempt(() => this.log.warn(message))
  }

  /** Says that records are made for nobody: by way of the process, as there is no logger. */
  warnIfUnseen (): void {
    const isHeard = this.#onAbort !== undefined || abortChannel.hasSubscribers || exchangeChannel.hasSubscribers || this.#ownChannel.hasSubscribers
    if (hasSaidNoLog || isHeard || !isSilent(this.log)) return
    hasSaidNoLog = true
    process.emitWarning('The application has no logger, so no record of a read that fails is seen: set one, onAbort, or subscribe to the channel fastify-read-guard.abort', { type: 'FastifyReadGuardWarning', code: NO_LOG })
  }

  /** Says once that the address in the records is that of a proxy. */
  #warnOfProxy (request: FastifyRequest): void {
    if (this.#hasSaidProxy || request.raw.headers['x-forwarded-for'] === undefined) return
    this.#hasSaidProxy = true
    if (!trustsProxy(request)) this.warn('Requests have X-Forwarded-For, but trustProxy is off: the ip of records is that of whoever connects, perhaps a proxy. Set trustProxy where there is one')
  }

  /** Writes the summary of the running period at once. */
  close (): void {
    if (this.#summary !== undefined) clearTimeout(this.#summary)
    this.#summarise()
  }

  #call (record: AbortRecord, request: FastifyRequest | undefined): void {
    const onThrown = (error: unknown): void => this.#attempt(() => this.log.error({ err: error }, 'onAbort threw'))
    try {
      const done: unknown = this.#onAbort?.(record, request) // an async function fits the type as well
      if (done instanceof Promise) done.catch(onThrown)
    } catch (error) {
      onThrown(error)
    }
  }

  /**
   * Writes a line. A logger may throw: pino does at a full disk, and whatever a serializer or a mixin of the application throws. Neither the read that failed
   * nor its client is to suffer: what is told by other ways than the log is told all the same.
   */
  #attempt (log: () => void): void {
    try {
      log()
    } catch (error) {
      if (hasSaidLogFailed) return
      hasSaidLogFailed = true
      const detail = error instanceof Error ? error.stack : String(error)
      process.emitWarning('The logger threw at a line of the guard: lines are missing from the log', { type: 'FastifyReadGuardWarning', code: LOG_FAILED, ...(detail !== undefined && { detail }) })
    }
  }

  #writeLog (record: AbortRecord, log: FastifyBaseLogger): void {
    const level = levelOf(record)
    // A line that the logger drops anyway must not count against the limit.
    const { isLevelEnabled } = log as { isLevelEnabled?: (level: string) => boolean } // pino has it, other loggers may not
    if (isLevelEnabled?.call(log, level) === false) return
    if (this.#admits()) log[level]({ abort: record }, messageOf(record))
  }

  #admits (): boolean {
    if (this.#logLimit === false) return true
    const { records, period } = this.#logLimit
    const now = performance.now()
    if (now >= this.#periodEnds) {
      this.#periodEnds = now + period
      this.#loggedInPeriod = 0
    }
    if (this.#loggedInPeriod < records) {
      this.#loggedInPeriod++
      return true
    }
    this.#suppressed++
    this.#suppressedInPeriod++
    // Outside the context of any request: the summary is about many.
    this.#summary ??= this.#outside.runInAsyncScope(() => setTimeout(() => this.#summarise(), this.#periodEnds - now)).unref()
    return false
  }

  #summarise (): void {
    this.#summary = undefined
    if (this.#suppressedInPeriod === 0 || this.#logLimit === false) return
    const abortsSuppressed = this.#suppressedInPeriod
    this.#suppressedInPeriod = 0
    const { period } = this.#logLimit
    this.#attempt(() => this.log.warn({ abortsSuppressed, period }, `${abortsSuppressed} records of aborted request reads were left out of the log`))
  }
}
