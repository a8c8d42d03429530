/** WCAG 2.2 contrast ratio of two colours, `#rgb`, `#rrggbb` or `rgb(r, g, b)`. */
export function contrast (one: string, other: string): number {
  const [lighter = 0, darker = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a)
  return (lighter + 0.05) / (darker + 0.05)
}

function luminance (colour: string): number {
  const [red = 0, green = 0, blue = 0] = channels(colour).map(value => {
    const share = value / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

function channels (colour: string): number[] {
  if (!colour.startsWith('#')) return [...colour.matchAll(/[\d.]+/g)].map(Number)
  const hex = colour.length === 4 ? colour.slice(1).replaceAll(/./g, '$&$&') : colour.slice(1)
  return (hex.match(/../g) ?? []).map(part => parseInt(part, 16))
}
