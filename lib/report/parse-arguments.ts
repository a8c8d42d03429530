import { parseArgs } from 'node:util'
import type { GroupBy } from './report.js'
import { timeBound } from './time-bound.js'
import { UsageError } from './usage.js'

export interface ReportOptions {
  readonly files: readonly string[]
  readonly json: boolean
  readonly html: string | undefined
  readonly since: number | undefined
  readonly until: number | undefined
  readonly route: string | undefined
  readonly groupBy: GroupBy
}

const groupings = ['route', 'reason', 'client', 'hour'] as const

const options = {
  json: { type: 'boolean' },
  html: { type: 'string' },
  since: { type: 'string' },
  until: { type: 'string' },
  route: { type: 'string' },
  'group-by': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' }
} as const

/**
 * Reads the command line.
 * @throws {UsageError}
 */
export function parseArguments (argv: readonly string[], now: number): ReportOptions | 'demo' | 'help' | 'version' {
  const { values, positionals } = parse(argv)
  if (values.help === true) return 'help'
  if (values.version === true) return 'version'
  const [command, ...files] = positionals
  if (command === undefined) throw new UsageError('a command is missing: fastify-read-guard report [file …], or demo (--help tells more)')
  if (command === 'demo') {
    if (argv.length > 1) throw new UsageError(`demo takes no arguments; got '${argv.filter((argument) => argument !== 'demo').join(' ')}'`)
    return 'demo'
  }
  if (command !== 'report') throw new UsageError(`unknown command '${command}': there are report and demo (--help tells more)`)
  if (files.filter(file => file === '-').length > 1) throw new UsageError('standard input (-) can be read only once')
  if (values.html === '' || values.html === '-') throw new UsageError('--html needs the name of a file')
  const since = values.since === undefined ? undefined : timeBound('--since', values.since, now)
  const until = values.until === undefined ? undefined : timeBound('--until', values.until, now)
  if (since !== undefined && until !== undefined && since >= until) throw new UsageError('--since must be before --until')
  return { files, json: values.json === true, html: values.html, since, until, route: values.route, groupBy: groupByOf(values['group-by']) }
}

function parse (argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true })
  } catch (error) {
    const [first = ''] = (error instanceof Error ? error.message : String(error)).split(/\. |\n/)
    throw new UsageError(`${first} (--help tells more)`)
  }
}

function groupByOf (value: string | undefined): GroupBy {
  if (value === undefined) return 'route-and-reason'
  const grouping = groupings.find(grouping => grouping === value)
  if (grouping === undefined) throw new UsageError(`--group-by must be route, reason, client or hour; got '${value}'`)
  return grouping
}
