/** The name of `known` that was nearly hit: at most two letters off, whatever the case and the separators. */
export function misspelling (name: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined
  let least = 3
  for (const candidate of known) {
    const letters = distance(folded(name), folded(candidate))
    if (letters >= least) continue
    least = letters
    nearest = candidate
  }
  return nearest
}

/** `ReadTimeout`, `readTimeout` and `read_timeout` are one name. */
export function folded (name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
}

/** How many letters have to be added, left out or changed to make one word the other (Levenshtein). */
function distance (from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (const [above, letter] of [...from].entries()) {
    const next = [above + 1]
    for (const [column, other] of [...to].entries()) {
      const [changed = 0, omitted = 0] = row.slice(column)
      const added = next[column] ?? 0
      next.push(Math.min(changed + (letter === other ? 0 : 1), omitted + 1, added + 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}
