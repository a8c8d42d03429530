import { contentOf, type Input } from './input/inputs.js'
import type { LogSink } from './input/log-line.js'
import { LogReader, type LineCounts } from './input/log-reader.js'
import type { LoggedAbort } from './input/logged-abort.js'
import type { Completed, Incoming } from './input/request-line.js'
import { looksLike } from './input/looks-like.js'
import { plainText } from './input/plain-text.js'
import type { ReportOptions } from './parse-arguments.js'
import type { InputCounts, Report } from './report.js'
import { routeFilter } from './route-filter.js'
import { perHour } from './tally/measure-tally.js'
import { RequestTally } from './tally/request-tally.js'
import { roundShare } from './tally/rounding.js'
import { hoursOf, SectionTally } from './tally/section-tally.js'
import { UsageError } from './usage.js'

type Filter = Pick<ReportOptions, 'since' | 'until' | 'route' | 'groupBy'>

export interface Collected {
  readonly report: Report
  /** A description of the input, if not one line of it was a log line. */
  readonly noLog: string | undefined
}

/** Reads all inputs once, line by line, and adds them up. Throws `UsageError`. */
export async function collect (inputs: readonly Input[], filter: Filter, onRead: (bytes: number) => void): Promise<Collected> {
  const sums = new Sums(filter)
  const reader = new LogReader(sums)
  const damaged: string[] = []
  let head: Buffer | undefined
  for (const input of inputs) {
    try {
      for await (const chunk of contentOf(input, onRead)) {
        head ??= Buffer.from(chunk.subarray(0, 64))
        reader.write(chunk)
      }
    } catch (error) {
      if (error instanceof UsageError) throw error
      damaged.push(plainText(input.name))
    }
    reader.end()
  }
  const { counts } = reader
  if (counts.lines === 0 && damaged[0] !== undefined) throw new UsageError(`cannot read ${damaged[0]}: its compressed data is damaged`)
  const files = inputs.map(input => plainText(input.name))
  return {
    report: sums.report({ files, ...counts, damaged }),
    noLog: reader.logLines > 0 ? undefined : looksLike(head ?? Buffer.alloc(0), counts, reader.samples)
  }
}

/** Adds up the records and requests in the lines. */
class Sums implements LogSink {
  readonly #filter: Filter
  readonly #matchesRoute: (route: string) => boolean
  readonly #failed: SectionTally
  readonly #observed: SectionTally
  readonly #requests = new RequestTally()
  readonly #counts = { doubtful: 0, records: 0, filteredOut: 0, suppressed: 0 }
  /** Reads that failed before there was a request. */
  #withoutRequest = 0

  constructor (filter: Filter) {
    this.#filter = filter
    this.#matchesRoute = filter.route === undefined ? () => true : routeFilter(filter.route)
    this.#failed = new SectionTally(filter.groupBy)
    this.#observed = new SectionTally(filter.groupBy)
  }

  abort (abort: LoggedAbort): void {
    this.#counts.records++
    if (!inTime(abort.time, this.#filter) || !this.#matchesRoute(abort.route)) {
      this.#counts.filteredOut++
      return
    }
    if (abort.isRouted) this.#requests.know(abort.route, abort.method)
    if (!abort.hasRequest && !abort.observed) this.#withoutRequest++
    const section = abort.observed ? this.#observed : this.#failed
    section.add(abort)
  }

  suppressed (count: number, time: number | undefined): void {
    if (inTime(time, this.#filter)) this.#counts.suppressed += count
  }

  doubtful (): void {
    this.#counts.doubtful++
  }

  incoming (request: Incoming): void {
    this.#requests.incoming(request)
  }

  completed (request: Completed): void {
    if (inTime(request.time, this.#filter)) this.#requests.completed(request)
  }

  report (read: Pick<InputCounts, 'files' | 'damaged'> & LineCounts): Report {
    const { since, until, route, groupBy } = this.#filter
    const all = [this.#failed, this.#observed, this.#requests]
    const spanMs = Math.max(0, Math.max(...all.map(({ last }) => last)) - Math.min(...all.map(({ first }) => first)))
    const hours = hoursOf(spanMs)
    const failed = this.#failed.section(this.#requests, spanMs)
    return {
      input: { ...read, ...this.#counts },
      filter: { since: isoOrNull(since), until: isoOrNull(until), route: route === undefined ? null : plainText(route) },
      groupBy,
      hours: hours === null ? null : roundShare(hours),
      requests: this.#requestCounts(failed.count, hours),
      failed,
      observed: this.#observed.section(this.#requests, spanMs)
    }
  }

  #requestCounts (failed: number, hours: number | null): Report['requests'] {
    const completed = this.#filter.route === undefined ? this.#requests.count : this.#requests.ofKnownRoutes
    if (completed === 0) return null
    const exchanges = completed + this.#withoutRequest
    return { completed, exchanges, perHour: perHour(completed, hours), failedShare: failed > exchanges ? null : roundShare(failed / exchanges) }
  }
}

/** `since` ≤ time < `until`. A record without a time is in no such range. */
function inTime (time: number | undefined, { since, until }: Filter): boolean {
  if (since === undefined && until === undefined) return true
  return time !== undefined && time >= (since ?? -Infinity) && time < (until ?? Infinity)
}

function isoOrNull (time: number | undefined): string | null {
  return time === undefined ? null : new Date(time).toISOString()
}
