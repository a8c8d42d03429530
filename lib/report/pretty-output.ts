import { stripVTControlCharacters } from 'node:util'

const level = '(?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL)'
// `[12:00:00.000] INFO (123): …`, and with levelFirst or in old versions `INFO [12:00:00.000] (123 on host): …`
const prettyLine = new RegExp(`^(?:\\[[^\\]]+\\]\\s+${level}\\b|${level}\\s+\\[[^\\]]+\\])`)

/** Whether these lines are what pino-pretty makes of a log. */
export function looksPretty (lines: readonly string[]): boolean {
  return lines.some(line => prettyLine.test(stripVTControlCharacters(line)))
}
