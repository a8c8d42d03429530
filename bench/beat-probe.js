/** Milliseconds that each beat took. */
let durations = []
let since = performance.now()

/** Has every interval that is started from now on timed. The guard has one; Node's and Fastify's own are not made with the global. */
export function watchBeats () {
  const { setInterval } = globalThis
  globalThis.setInterval = (callback, ...rest) => setInterval((...args) => {
    const started = performance.now()
    callback(...args)
    durations.push(performance.now() - started)
  }, ...rest)
}

/** What the beats took since they were last asked for, and in how many milliseconds they were. */
export function beats () {
  const taken = { durations, elapsed: performance.now() - since }
  durations = []
  since = performance.now()
  return taken
}
