import type { Section } from '../report.js'

/** Notes on how to read the rows. Most reports need none. */
export function groupNotes (groups: Section['groups'], span: Section['groupSpan']): string[] {
  return [
    ...groups.some(group => group.atMost > group.count) ? ['≥: a lower bound. There were too many to keep apart: quiet ones are merged into all others, and one that comes back starts anew.'] : [],
    ...span === null || span === 'hour' ? [] : [`Each row is a ${span}: more than 5,000 hours have reads. --since and --until narrow it down.`]
  ]
}
