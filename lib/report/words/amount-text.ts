const minute = 60_000
const byteUnits = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

export function countText (count: number): string {
  return count.toLocaleString('en-US')
}

/** Three significant digits below a thousand. */
export function amountText (amount: number): string {
  return amount >= 999.5 ? countText(Math.round(amount)) : significant(amount)
}

/** `≥ 12` if more may have come before the row was counted separately. */
export function atLeastText ({ count, atMost }: { readonly count: number, readonly atMost: number }): string {
  return atMost > count ? `≥ ${countText(count)}` : countText(count)
}

export function percentText (share: number): string {
  const percent = share * 100
  if (percent > 0 && percent < 0.05) return '<0.1%'
  if (percent >= 99.95) return `${Math.round(percent)}%`
  return `${percent.toFixed(1)}%`
}

/** Three significant digits, decimal units. */
export function bytesText (bytes: number): string {
  let amount = bytes
  let unit = 0
  while (amount >= 999.5 && unit < byteUnits.length - 1) {
    amount /= 1000
    unit++
  }
  return `${significant(amount)} ${byteUnits[unit]}`
}

export function rateText (bytesPerSecond: number): string {
  return `${bytesText(bytesPerSecond)}/s`
}

export function durationText (ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`
  const seconds = ms / 1000
  if (seconds < 119.5) return `${significant(seconds)} s`
  if (seconds < 119.5 * 60) return `${significant(seconds / 60)} min`
  if (seconds < 47.5 * 3600) return `${significant(seconds / 3600)} h`
  return `${significant(seconds / 86_400)} d`
}

/** `2025-03-01 14:05`, in UTC as in the records. Steps of less than a minute have seconds. */
export function timeText (iso: string, stepMs = minute): string {
  return iso.replace(stepMs < minute ? /\.\d+Z$/ : /:\d\d\.\d+Z$/, '').replace('T', ' ')
}

function significant (amount: number): string {
  if (amount >= 100) return String(Math.round(amount))
  const digits = amount >= 10 ? 1 : 2
  return String(Number(amount.toFixed(digits)))
}
