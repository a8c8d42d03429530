/** Two decimals, as records have their rates. */
export function roundAmount (value: number): number {
  return Math.round(value * 100) / 100
}

export function roundShare (value: number): number {
  return Math.round(value * 10_000) / 10_000
}

/** Up to two significant digits, not below `value`. */
export function roundUp (value: number): number {
  return toTwoDigits(value, Math.ceil)
}

/** Down to two significant digits, not above `value`. */
export function roundDown (value: number): number {
  return toTwoDigits(value, Math.floor)
}

function toTwoDigits (value: number, round: (value: number) => number): number {
  if (value === 0) return 0
  const exponent = Math.floor(Math.log10(value)) - 1
  const unit = 10 ** Math.abs(exponent)
  // 1 ÷ 10⁻ⁿ is not 10ⁿ in binary floating point, and a value of two digits must stay as it is.
  const scaled = Number((exponent < 0 ? value * unit : value / unit).toPrecision(14))
  return exponent < 0 ? round(scaled) / unit : round(scaled) * unit
}
