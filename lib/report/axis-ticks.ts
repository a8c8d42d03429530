/** Round numbers from 0 to at least `max`, not more than five steps. */
export function niceTicks (max: number): number[] {
  const top = Math.max(1, max)
  const rough = Math.max(1, top / 4)
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map(factor => factor * power).find(step => step >= rough) ?? rough
  const ticks = [0]
  for (let tick = step; tick < top + step; tick += step) ticks.push(tick)
  return ticks
}

/** `12k` for twelve thousand: short enough for an axis. */
export function shortCount (count: number): string {
  if (count >= 1e9) return `${count / 1e9}G`
  if (count >= 1e6) return `${count / 1e6}M`
  if (count >= 1e3) return `${count / 1e3}k`
  return String(count)
}

const second = 1000
const day = 86_400 * second
const timeSteps = [1, 5, 15, 60, 300, 900, 1800, 3600, 10_800, 21_600, 43_200].map(seconds => seconds * second).concat([1, 2, 7, 14, 28, 91, 182, 364, 1820, 3640, 36_400].map(days => days * day))

/** Moments at which a clock is read, up to seven of them, with what to write there. UTC. */
export function timeTicks (from: number, to: number): { time: number, label: string }[] {
  const step = timeSteps.find(step => (to - from) / step <= 7) ?? (to - from)
  const ticks: { time: number, label: string }[] = []
  for (let time = Math.ceil(from / step) * step; time < to; time += step) {
    ticks.push({ time, label: timeLabel(time, step, ticks.length === 0) })
  }
  return ticks
}

function timeLabel (time: number, step: number, first: boolean): string {
  const date = new Date(time)
  const iso = date.toISOString()
  const dayLabel = `${date.getUTCDate()} ${date.toLocaleString('en-US', { month: 'short', timeZone: 'UTC' })}`
  if (step >= 364 * day) return iso.slice(0, 4)
  if (step >= 28 * day) return `${dayLabel} ${iso.slice(0, 4)}`
  if (step >= day) return dayLabel
  const clock = iso.slice(11, step < 60 * second ? 19 : 16)
  if (first) return `${dayLabel} ${clock}`
  return time % day === 0 ? dayLabel : clock
}

const units: readonly (readonly [number, string])[] = [[day, 'day'], [3600 * second, 'hour'], [60 * second, 'minute'], [second, 'second']]

/** `15 minutes`; `hour` for one. */
export function widthName (ms: number): string {
  const [size, name] = units.find(([size]) => ms >= size) ?? [second, 'second']
  return ms === size ? name : `${ms / size} ${name}s`
}
