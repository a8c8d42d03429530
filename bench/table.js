/**
 * A table in Markdown, aligned so that it can be read as it is.
 *
 * @param {readonly string[]} head
 * @param {ReadonlyArray<ReadonlyArray<string | number>>} rows as long as the head
 */
export function table (head, rows) {
  const cells = rows.map((row) => row.map(String))
  const widths = head.map((_, column) => Math.max(...[head, ...cells].map((row) => row[column]?.length ?? 0)))
  /** @param {readonly string[]} row */
  const line = (row) => `| ${row.map((cell, column) => column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)).join(' | ')} |`
  return [line(head), `|${widths.map((width, column) => '-'.repeat(width + 1) + (column === 0 ? '-' : ':')).join('|')}|`, ...cells.map(line)].join('\n')
}

/**
 * @param {number} ratio
 * @param {number} [digits]
 */
export function percent (ratio, digits = 1) {
  const value = ((ratio - 1) * 100).toFixed(digits)
  return `${value.startsWith('-') ? '' : '+'}${value} %`
}

/** @param {number} value */
export function milliseconds (value) {
  return value < 10 ? value.toFixed(2) : value.toFixed(0)
}
