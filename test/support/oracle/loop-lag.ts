const INTERVAL = 10
/** A timer that is so late is late by itself, and not because this process could not run. */
const USUAL = 5

/** Adds up the milliseconds in which this process could not run, from the call to that of the result. */
export function watchLag (): () => number {
  let lag = 0
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    const late = now - last - INTERVAL
    if (late > USUAL) lag += late
    last = now
  }, INTERVAL)
  return () => {
    clearInterval(timer)
    return lag
  }
}
