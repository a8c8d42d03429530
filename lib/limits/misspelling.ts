/** The name in `known` that was probably meant: at most two letters and less than a third of it differ, ignoring case and separators. */
export function misspelling (name: string, known: readonly string[]): string | undefined {
  const word = folded(name)
  const most = Math.min(2, Math.ceil(word.length / 3) - 1)
  for (let edits = 0; edits <= most; edits++) {
    const near = known.find((candidate) => within(edits, word, folded(candidate)))
    if (near !== undefined) return near
  }
  return undefined
}

/** `ReadTimeout`, `readTimeout` and `read_timeout` are one name. */
export function folded (name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
}

/** Whether so many letters added, left out or changed turn one word into the other (Levenshtein distance, bounded). */
function within (edits: number, from: string, to: string): boolean {
  let same = 0
  while (same < from.length && from[same] === to[same]) same++
  const [left, right] = [from.slice(same), to.slice(same)]
  if (left === right) return true
  if (edits === 0) return false
  const [leftRest, rightRest] = [left.slice(1), right.slice(1)]
  return within(edits - 1, leftRest, rightRest) || within(edits - 1, leftRest, right) || within(edits - 1, left, rightRest)
}
