import { displayWidth } from '../words/display-width.js'

/** Lines not longer than `width`, each with `indent` in front. A longer word is not broken. */
export function wrapText (text: string, width: number, indent: string): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const longer = line === '' ? indent + word : `${line} ${word}`
    if (line === '' || displayWidth(longer) <= width) {
      line = longer
    } else {
      lines.push(line)
      line = indent + word
    }
  }
  return [...lines, line]
}
