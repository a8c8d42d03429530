/** A judgement costs what a run costs: no more than so many, and for no longer, in milliseconds. */
const MOST_JUDGEMENTS = 60
const LONGEST = 120_000

/**
 * Leaves out what is not needed for a failure (Zeller's delta debugging): halves first, then ever smaller parts.
 *
 * @param isSeen whether the failure is still seen with these
 * @returns what is left of them: all, where it is not seen again
 */
export async function shrink<Item> (items: readonly Item[], isSeen: (some: readonly Item[]) => Promise<boolean>): Promise<readonly Item[]> {
  let kept = items
  let parts = 2
  let judgements = 0
  const until = performance.now() + LONGEST
  while (kept.length > 1 && judgements < MOST_JUDGEMENTS && performance.now() < until) {
    const size = Math.ceil(kept.length / parts)
    let smaller: readonly Item[] | undefined
    for (let from = 0; from < kept.length && smaller === undefined && judgements < MOST_JUDGEMENTS && performance.now() < until; from += size) {
      const rest = [...kept.slice(0, from), ...kept.slice(from + size)]
      judgements++
      if (rest.length > 0 && await isSeen(rest)) smaller = rest
    }
    if (smaller !== undefined) {
      kept = smaller
      parts = Math.max(parts - 1, 2)
    } else if (size === 1) {
      return kept
    } else {
      parts = Math.min(parts * 2, kept.length)
    }
  }
  return kept
}
