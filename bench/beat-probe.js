/**
 * Milliseconds that each beat took.
 * @type {number[]}
 */
let durations = []
let since = performance.now()

/** Has every interval that is started from now on timed. The guard has one; Node's and Fastify's own are not made with the global. */
export function watchBeats () {
  const { setInterval } = globalThis
  /**
   * @param {(...args: unknown[]) => void} callback
   * @param {number} [delay]
   * @param {unknown[]} args
   */
  const timed = (callback, delay, ...args) => setInterval(() => {
    const started = performance.now()
    callback(...args)
    durations.push(performance.now() - started)
  }, delay)
  globalThis.setInterval = /** @type {typeof setInterval} */ (timed) // one signature in the place of many
}

/**
 * What the beats took since they were last asked for, and in how many milliseconds they were.
 *
 * @typedef {{ durations: number[], elapsed: number }} Beats
 * @returns {Beats}
 */
export function beats () {
  const taken = { durations, elapsed: performance.now() - since }
  durations = []
  since = performance.now()
  return taken
}
