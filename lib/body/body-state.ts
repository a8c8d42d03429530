/*
 * What becomes of the bytes of a body, in the order in which it can change.
 */

/** Bytes go to the consumer, and are judged. */
export const OPEN = 0
/** Bytes go to the consumer, and are not judged: the one record is written (`mode: 'observe'`). */
export const OBSERVED = 1
/** As `OBSERVED`, on a route that is not guarded. */
export const PASSING = 2
/** A rule was broken: what still comes is thrown away. */
export const FAILED = 3
/** The answer was given without the rest: what still comes is thrown away. */
export const ABANDONED = 4
export const DONE = 5
