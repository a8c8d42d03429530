import type { Section } from '../report.js'

/** Notes that the rows need to be read right. Most reports need none. */
export function groupNotes (groups: Section['groups'], span: Section['groupSpan']): string[] {
  return [
    ...groups.some(group => group.atMost > group.count) ? ['≥: there may be more. Of too many to keep apart, the quiet ones go to all others, and who comes back is counted anew.'] : [],
    ...span === null || span === 'hour' ? [] : [`Each row is a ${span}: more than 5,000 hours have reads. --since and --until narrow it down.`]
  ]
}
