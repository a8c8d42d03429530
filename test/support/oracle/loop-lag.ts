const INTERVAL = 10
/** A timer that is so late is late by itself, and not because this process could not run. */
const USUAL = 5

let lost = 0
let last: number | undefined

/** Milliseconds since the timer below should have fired. */
function late (): number {
  const overdue = last === undefined ? 0 : performance.now() - last - INTERVAL
  return overdue > USUAL ? overdue : 0
}

/** One timer for all who ask, for as long as the process lives. */
function watch (): void {
  if (last !== undefined) return
  last = performance.now()
  setInterval(() => {
    lost += late()
    last = performance.now()
  }, INTERVAL).unref()
}

/** Adds up the milliseconds in which this process could not run, from the call to that of the result, which may be asked again. */
export function watchLag (): () => number {
  watch()
  const from = lost + late()
  return () => lost + late() - from
}
