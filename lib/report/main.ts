import { access, constants, stat, writeFile } from 'node:fs/promises'
import { fstatSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { collect } from './collect.js'
import { htmlPage } from './html/html-page.js'
import { findInputs, systemMessage, type Input } from './input/inputs.js'
import type { Io } from './io.js'
import { parseArguments, type ReportOptions } from './parse-arguments.js'
import { plainText } from './input/plain-text.js'
import { Progress } from './text/progress.js'
import { textReport } from './text/text-report.js'
import { UsageError, usageText } from './usage.js'

type Status = 0 | 1 | 2

/**
 * Runs the command.
 * @returns the exit status: 0; 1 if not one line was a log line; 2 if it cannot do what it was asked to. Both 1 and 2 follow one
 * line on standard error
 */
export async function main (argv: readonly string[], io: Io): Promise<Status> {
  try {
    const options = parseArguments(argv, io.now())
    if (options === 'help') io.stdout.write(usageText)
    else if (options === 'version') io.stdout.write(`${version()}\n`)
    else if (options === 'demo') await demo()
    else return await report(options, io)
    return 0
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    io.stderr.write(`fastify-read-guard: ${plainText(error.message)}\n`)
    return 2
  }
}

async function report (options: ReportOptions, io: Io): Promise<Status> {
  const inputs = await findInputs(options.files, io)
  if (options.html !== undefined) await checkTarget(options.html, options.files, io.stdin.fd)
  const progress = new Progress(io.stderr, totalSize(inputs), io.now)
  const { report: made, noLog } = await collect(inputs, options, bytes => progress.advance(bytes)).finally(() => progress.end())
  for (const name of made.input.damaged) io.stderr.write(`fastify-read-guard: ${name} is damaged or truncated: the report has everything before that\n`)
  if (noLog !== undefined) io.stderr.write(`fastify-read-guard: there is not one log line in ${made.input.files.join(', ')}, which looks like ${noLog}\n`)
  else if (options.html !== undefined) await writeFile(options.html, htmlPage(made)).catch((error: unknown) => { throw unwritable(options.html ?? '', error) })
  if (options.json) io.stdout.write(`${JSON.stringify(made, null, 2)}\n`)
  else if (noLog === undefined) io.stdout.write(textReport(made, io))
  return noLog === undefined ? 0 : 1
}

function totalSize (inputs: readonly Input[]): number | undefined {
  return inputs.reduce<number | undefined>((sum, { size }) => sum === undefined || size === undefined ? undefined : sum + size, 0)
}

/**
 * Checks before the log is read, which may take minutes, that the page can be written and would not replace a log.
 * @throws {UsageError}
 */
async function checkTarget (target: string, files: readonly string[], stdin: number | undefined): Promise<void> {
  const existing = await stat(target).catch(() => undefined)
  if (existing?.isDirectory() === true) throw new UsageError(`cannot write ${target}: it is a directory`)
  const logs = files.length === 0 ? ['-'] : files
  for (const file of existing?.isFile() === true ? logs : []) {
    const log = file !== '-' ? await stat(file) : stdin === undefined ? undefined : fstatSync(stdin)
    if (log?.ino === existing?.ino && log?.dev === existing?.dev) throw new UsageError(`--html ${target} would overwrite the log it is made from`)
  }
  await access(existing === undefined ? dirname(target) : target, constants.W_OK).catch((error: unknown) => { throw unwritable(target, error) })
}

function unwritable (target: string, error: unknown): UsageError {
  return new UsageError(`cannot write ${target}: ${systemMessage(error)}`)
}

/**
 * Runs the demonstration. It needs Fastify, which the application has.
 * @throws {UsageError}
 */
async function demo (): Promise<void> {
  await import(new URL('../../demo/main.js', import.meta.url).href).catch((error: unknown) => {
    const { code, message } = error as Partial<NodeJS.ErrnoException> // anything may be thrown, but only an error has both
    if (code !== 'ERR_MODULE_NOT_FOUND' || !String(message).includes("'fastify'")) throw error
    throw new UsageError('the demo needs Fastify: npm install fastify')
  })
}

/** The version of the package. `dist/report/` is as deep as `lib/report/`, so one path serves both. */
function version (): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  return version
}
