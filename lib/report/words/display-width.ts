// Characters that a terminal draws two columns wide: East Asian Wide and Fullwidth (Unicode Standard Annex 11), and emoji.
const wide = new RegExp('[\\u1100-\\u115f\\u2329\\u232a\\u2e80-\\u303e\\u3041-\\u4dbf\\u4e00-\\ua4cf\\ua960-\\ua97f\\uac00-\\ud7a3\\uf900-\\ufaff' +
  '\\ufe10-\\ufe19\\ufe30-\\ufe6f\\uff01-\\uff60\\uffe0-\\uffe6\\u{16fe0}-\\u{18d08}\\u{1aff0}-\\u{1b2fb}\\u{1f200}-\\u{1f265}\\u{20000}-\\u{3fffd}]|\\p{Emoji_Presentation}', 'u')
/** Accents and signs that a terminal draws onto the character before them. */
const narrow = /[\p{Mn}\p{Me}]/u
const ascii = /^[ -~]*$/

/** Columns that a text takes on a terminal. */
export function displayWidth (text: string): number {
  if (ascii.test(text)) return text.length
  let width = 0
  for (const character of text) width += widthOf(character)
  return width
}

/** The start of a text that fits into so many columns. */
export function fitting (text: string, columns: number): string {
  if (ascii.test(text)) return text.slice(0, columns)
  let width = 0
  let length = 0
  for (const character of text) {
    width += widthOf(character)
    if (width > columns) break
    length += character.length
  }
  return text.slice(0, length)
}

/** The text in at most so many columns. An ellipsis stands for the end that was cut off. */
export function shortened (text: string, columns: number): string {
  return displayWidth(text) <= columns ? text : `${fitting(text, columns - 1)}…`
}

/** The text in at most so many columns. An ellipsis stands for the middle that was cut out. */
export function shortenedInside (text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text
  const room = Math.floor((columns - 1) / 2)
  return `${fitting(text, room)}…${reversed(fitting(reversed(text), room))}`
}

/** By code points: half of a surrogate pair is no character. */
function reversed (text: string): string {
  return Array.from(text).reverse().join('')
}

function widthOf (character: string): 0 | 1 | 2 {
  if (narrow.test(character)) return 0
  return wide.test(character) ? 2 : 1
}
