/** A table in Markdown, aligned so that it can be read as it is. */
export function table (head, rows) {
  const cells = [head, ...rows].map((row) => row.map(String))
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column].length)))
  const line = (row) => `| ${row.map((cell, column) => column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])).join(' | ')} |`
  const [first, ...rest] = cells
  return [line(first), `|${widths.map((width, column) => '-'.repeat(width + 1) + (column === 0 ? '-' : ':')).join('|')}|`, ...rest.map(line)].join('\n')
}

export function percent (ratio, digits = 1) {
  const value = ((ratio - 1) * 100).toFixed(digits)
  return `${value.startsWith('-') ? '' : '+'}${value} %`
}

export function milliseconds (value) {
  return value < 10 ? value.toFixed(2) : value.toFixed(0)
}
