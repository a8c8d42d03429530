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
const steps = [1, 5, 15, 60, 300, 900, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600].map(seconds => seconds * second)
const monthSteps = [1, 2, 3, 6, 12, 24, 60, 120, 600, 1200]
const mostTicks = 7

export interface TimeTick {
  readonly time: number
  readonly label: string
}

/** At most about seven round moments between two times, each with its label, in UTC. */
export function timeTicks (from: number, to: number): TimeTick[] {
  const step = steps.find(step => (to - from) / step <= mostTicks)
  if (step === undefined) return monthTicks(from, to)
  const ticks: TimeTick[] = []
  for (let time = Math.ceil(from / step) * step; time < to; time += step) {
    ticks.push({ time, label: timeLabel(new Date(time), step, { withDay: ticks.length === 0 }) })
  }
  return ticks
}

function monthTicks (from: number, to: number): TimeTick[] {
  const months = (to - from) / (30 * day)
  const step = monthSteps.find(step => months / step <= mostTicks) ?? Math.ceil(months / mostTicks)
  const start = new Date(from)
  const ticks: TimeTick[] = []
  let month = Math.floor(((start.getUTCFullYear() - 1970) * 12 + start.getUTCMonth()) / step) * step
  for (let time = Date.UTC(1970, month); time < to; month += step, time = Date.UTC(1970, month)) {
    if (time < from) continue
    const year = new Date(time).getUTCFullYear()
    ticks.push({ time, label: step >= 12 ? String(year) : `${monthName(new Date(time))} ${year}` })
  }
  return ticks
}

function timeLabel (date: Date, step: number, { withDay }: { withDay: boolean }): string {
  const dayLabel = `${date.getUTCDate()} ${monthName(date)}`
  if (step >= day) return dayLabel
  const clock = date.toISOString().slice(11, step < 60 * second ? 19 : 16)
  if (withDay) return `${dayLabel} ${clock}`
  return date.getTime() % day === 0 ? dayLabel : clock
}

function monthName (date: Date): string {
  return date.toLocaleString('en-US', { month: 'short', timeZone: 'UTC' })
}

const units: readonly (readonly [number, string])[] = [[day, 'day'], [3600 * second, 'hour'], [60 * second, 'minute'], [second, 'second']]

/** `15 minutes`; `hour` for one. */
export function widthName (ms: number): string {
  const [size, name] = units.find(([size]) => ms >= size) ?? [second, 'second']
  return ms === size ? name : `${ms / size} ${name}s`
}
