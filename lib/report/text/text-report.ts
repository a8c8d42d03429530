import { adviceText, moreAdviceText, movingText } from '../words/advice-text.js'
import { clientTable, networkTable } from './client-table.js'
import { shortened } from '../words/display-width.js'
import { groupTable } from './group-table.js'
import type { Io } from '../io.js'
import { leftTable } from './left-table.js'
import { failedText, inputText, nothingText, observedText, periodText, phasesText, requestsText, untimedText } from '../words/overview-text.js'
import { paintFor, type Paint } from './paint.js'
import type { Report, Section, SectionKind } from '../report.js'
import { wrapText } from './wrap-text.js'

const narrowest = 80
const widest = 160
const longestParagraph = 100
const advisedRoutes = 10

/** The report as text, 80 columns wide, or as wide as the terminal up to 160. */
export function textReport (report: Report, io: Pick<Io, 'stdout' | 'env'>): string {
  const width = Math.min(widest, Math.max(narrowest, io.stdout.columns ?? narrowest))
  const paint = paintFor(io)
  const { failed, observed, input } = report
  const period = periodText(report)
  const lines = [
    paint.strong(period === '' ? 'Aborted reads' : `Aborted reads, ${period}`),
    ...[...inputText(input), ...requestsText(report)].flatMap(text => paragraph(text, width, '')),
    '',
    ...section(failed, 'failed', report, width, paint),
    ...section(observed, 'observed', report, width, paint)
  ]
  if (failed.count + observed.count === 0) lines.push(...paragraph(nothingText(input), width, ''), '')
  return lines.slice(0, -1).map(line => `${line}\n`).join('')
}

function section (section: Section, sectionKind: SectionKind, { requests }: Report, width: number, paint: Paint): string[] {
  if (section.count === 0) return []
  return [
    ...paragraph({ failed: failedText, observed: observedText }[sectionKind](section, requests), width, '').map(paint.strong),
    ...[...phasesText(section), ...untimedText(section)].flatMap(text => paragraph(text, width, '')),
    '',
    ...groupTable(section, width, paint),
    '',
    paint.strong('Busiest clients'),
    ...clientTable(section, width, paint),
    '',
    ...part('Busiest networks of IPv6', section.networks, () => networkTable(section, width, paint), paint),
    ...part('Clients that left', section.left, () => leftTable(section, width, paint), paint),
    ...advice(section, sectionKind, width, paint)
  ]
}

function part (title: string, rows: readonly unknown[], table: () => string[], paint: Paint): string[] {
  return rows.length === 0 ? [] : [paint.strong(title), ...table(), '']
}

function advice ({ advice }: Section, sectionKind: SectionKind, width: number, paint: Paint): string[] {
  const lines = advice.slice(0, advisedRoutes).flatMap(route => [
    paint.strong(shortened(route.route, width)),
    ...adviceText(route, sectionKind).flatMap(text => paragraph(text, width, '  ')),
    ''
  ])
  const more = moreAdviceText(advice.length - advisedRoutes).flatMap(text => [text, ''])
  return lines.length === 0 ? [] : [paint.strong({ failed: 'Are the limits right?', observed: 'What enforcing would have cost' }[sectionKind]), ...paragraph(movingText, width, ''), '', ...lines, ...more]
}

function paragraph (text: string, width: number, indent: string): string[] {
  return wrapText(text, Math.min(width, longestParagraph), indent)
}
