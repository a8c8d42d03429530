/** The value below which a share of the numbers lies. */
export function quantile (numbers, share) {
  const sorted = Float64Array.from(numbers).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

export function median (numbers) {
  const sorted = Float64Array.from(numbers).sort()
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** What paired ratios say: their median, the quartiles between which half of them lie, and how far off the median may be. */
export function summary (ratios) {
  const low = quantile(ratios, 0.25)
  const high = quantile(ratios, 0.75)
  // The notch of a box plot, about a 95 % interval; blocks that something disturbed do not count (McGill et al., 1978).
  const error = 1.57 * (high - low) / Math.sqrt(ratios.length)
  return { median: median(ratios), low, high, error }
}

/**
 * Ratios of one round of blocks, in which two apps without the guard stand beside the one with it: the guard's against
 * both, and theirs against each other, which should be 1 and shows what can't be resolved.
 */
export function roundRatios ({ bare, guarded, again }) {
  return { guard: 2 * guarded / (bare + again), same: again / bare }
}
