/**
 * The value below which a share of the numbers lies; NaN where there are none.
 *
 * @param {Iterable<number>} numbers
 * @param {number} share
 */
export function quantile (numbers, share) {
  const sorted = Float64Array.from(numbers).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
}

/** @param {Iterable<number>} numbers */
export function median (numbers) {
  const sorted = Float64Array.from(numbers).sort()
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2
}

/**
 * How much the second grows for each of the first: the median of the slopes between all pairs, which single points that lie far off do
 * not move (Theil, 1950; Sen, 1968). NaN where there are no two.
 *
 * @param {readonly (readonly [x: number, y: number])[]} points
 */
export function slope (points) {
  return median(points.flatMap(([x, y], index) => points.slice(index + 1).flatMap(([x2, y2]) => x2 === x ? [] : [(y2 - y) / (x2 - x)])))
}

/**
 * What paired ratios say: their median, the quartiles between which half of them lie, and how far off the median may be.
 *
 * @typedef {{ median: number, low: number, high: number, error: number }} Summary
 * @param {readonly number[]} ratios
 * @returns {Summary}
 */
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
 *
 * @typedef {{ bare: number, guarded: number, again: number }} Trio
 * @typedef {{ guard: number, same: number }} Ratios
 * @param {Trio} trio
 * @returns {Ratios}
 */
export function roundRatios ({ bare, guarded, again }) {
  return { guard: 2 * guarded / (bare + again), same: again / bare }
}
