import { stripVTControlCharacters } from 'node:util'

const known = '(?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL|USERLVL)'
/** Any name, for the levels that an application makes for itself. */
const level = '[A-Z][A-Z0-9_]+'
const time = '\\[[^\\]]+\\]'
const process = ' \\(.+?\\)'
// `[12:00:00.000] INFO (123): …`, `INFO [12:00:00.000] (123 on host): …`, and without what `ignore` leaves out, but for so
// much that a line of another kind does not look like it.
const forms = [`${time} ${level}(?:${process})?`, `${time}${process}`, `${level} ${time}(?:${process})?`, `${level}${process}`, known]
const prettyLine = new RegExp(`^(?:${forms.join('|')}):(?: |$)`)

/** Whether these lines are what pino-pretty makes of a log. */
export function looksPretty (lines: readonly string[]): boolean {
  return lines.some(line => prettyLine.test(stripVTControlCharacters(line)))
}
