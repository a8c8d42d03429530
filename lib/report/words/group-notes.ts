import type { Section } from '../report.js'

/** What has to be known to read the rows right; mostly nothing. */
export function groupNotes (groups: Section['groups'], span: Section['groupSpan']): string[] {
  return [
    ...groups.some(group => group.atMost > group.count) ? ['≥: there may be more. Of too many to keep apart, the quiet ones go to all others, and who comes back is counted anew.'] : [],
    ...span === null || span === 'hour' ? [] : [`Each row is a ${span}: more than 5,000 hours have reads. --since and --until narrow it down.`]
  ]
}
