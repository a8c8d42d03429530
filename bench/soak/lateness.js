/** So late a timer is where this process could not run, in milliseconds. */
const LATE = 250
const INTERVAL = 25

/**
 * A while in which a process could not run, in milliseconds of the calendar.
 * @typedef {readonly [from: number, to: number]} Lateness
 */

/**
 * Keeps the whiles in which this process can't run. What is returned takes those since it was last called.
 *
 * @returns {() => Lateness[]}
 */
export function watchLateness () {
  /** @type {Lateness[]} */
  let late = []
  let looked = Date.now()
  const look = () => {
    const now = Date.now()
    if (now - looked > INTERVAL + LATE) late.push([looked, now])
    looked = now
  }
  setInterval(look, INTERVAL).unref()
  return () => {
    look()
    const taken = late
    late = []
    return taken
  }
}
