import { contentOf, type Input } from './input/inputs.js'
import { LineScanner } from './input/line-scanner.js'
import type { LoggedAbort } from './input/logged-abort.js'
import type { ReportOptions } from './parse-arguments.js'
import { parseLine } from './input/parse-line.js'
import { plainText } from './input/plain-text.js'
import { looksPretty } from './input/pretty-output.js'
import type { InputCounts, Report } from './report.js'
import { routeFilter } from './route-filter.js'
import { SectionTally } from './tally/section-tally.js'
import { UsageError } from './usage.js'

type Filter = Pick<ReportOptions, 'since' | 'until' | 'route' | 'groupBy'>

/** Every line that the report is about contains one of these. */
const markers = ['FST_READ_', '"abortsSuppressed"']

/** Reads all inputs once, line by line, and adds them up. Throws `UsageError`. */
export async function collect (inputs: readonly Input[], filter: Filter, onRead: (bytes: number) => void): Promise<Report> {
  const failed = new SectionTally(filter.groupBy)
  const observed = new SectionTally(filter.groupBy)
  const matchesRoute = filter.route === undefined ? () => true : routeFilter(filter.route)
  const damaged: string[] = []
  let records = 0
  let filteredOut = 0
  let suppressed = 0
  let doubtful = 0

  const take = (abort: LoggedAbort): void => {
    records++
    if (!inTime(abort.time, filter) || !matchesRoute(abort.route)) filteredOut++
    else (abort.observed ? observed : failed).add(abort)
  }
  const scanner = new LineScanner(markers, line => {
    const parsed = parseLine(line)
    if (parsed === 'other') return
    if (parsed === 'not json') scanner.notJson(line)
    else if (parsed === 'doubtful') doubtful++
    else if ('reason' in parsed) take(parsed)
    else if (inTime(parsed.time, filter)) suppressed += parsed.suppressed
  })

  for (const input of inputs) {
    try {
      for await (const chunk of contentOf(input, onRead)) scanner.write(chunk)
    } catch (error) {
      if (error instanceof UsageError) throw error
      damaged.push(plainText(input.name))
    }
    scanner.end()
  }
  const { lines, notJson, tooLong } = scanner.counts
  if (lines === 0 && damaged[0] !== undefined) throw new UsageError(`cannot read ${damaged[0]}: its gzip data is damaged`)
  if (lines > 0 && lines === notJson && looksPretty(scanner.notJsonSamples)) {
    throw new UsageError('these lines look as pino-pretty makes them, which leaves out what the report needs: give the raw JSON lines that pino writes')
  }
  const files = inputs.map(input => plainText(input.name))
  const input: InputCounts = { files, lines, notJson, tooLong, doubtful, records, filteredOut, suppressed, damaged }
  return {
    input,
    filter: { since: isoOrNull(filter.since), until: isoOrNull(filter.until), route: filter.route === undefined ? null : plainText(filter.route) },
    groupBy: filter.groupBy,
    failed: failed.section(),
    observed: observed.section()
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
