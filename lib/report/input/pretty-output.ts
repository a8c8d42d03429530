import { stripVTControlCharacters } from 'node:util'

const known = '(?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL|USERLVL)'
/** Any name: an application may have levels of its own. */
const level = '[A-Z][A-Z0-9_]+'
const time = '\\[[^\\]]+\\]'
const process = ' \\(.+?\\)'
// `[12:00:00.000] INFO (123): …`, `INFO [12:00:00.000] (123 on host): …`, and the forms that pino-pretty's `ignore` leaves of
// them, as far as no other kind of line looks like that.
const forms = [`${time} ${level}(?:${process})?`, `${time}${process}`, `${level} ${time}(?:${process})?`, `${level}${process}`, known]
const prettyLine = new RegExp(`^(?:${forms.join('|')}):(?: |$)`)

/** Tells whether pino-pretty made one of these lines. */
export function looksPretty (lines: readonly string[]): boolean {
  return lines.some(line => prettyLine.test(stripVTControlCharacters(line)))
}
