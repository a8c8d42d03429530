import stringWidth from 'string-width'

const ascii = /^[ -~]*$/
/** Characters as a reader sees them: an accent and the parts of an emoji belong to the character before. */
const segmenter = new Intl.Segmenter('en')

/** How many columns a text takes on a terminal. */
export function displayWidth (text: string): number {
  return stringWidth(text)
}

/** The start of a text that fits into so many columns. */
export function fitting (text: string, columns: number): string {
  return ascii.test(text) ? text.slice(0, columns) : starting(charactersOf(text), columns).join('')
}

/** The text in at most so many columns. An ellipsis stands for the end that was cut off. */
export function shortened (text: string, columns: number): string {
  return displayWidth(text) <= columns ? text : `${fitting(text, columns - 1)}…`
}

/** The text in at most so many columns. An ellipsis stands for the middle that was cut out. */
export function shortenedInside (text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text
  const room = Math.floor((columns - 1) / 2)
  const end = starting(charactersOf(text).reverse(), room).reverse()
  return `${fitting(text, room)}…${end.join('')}`
}

function charactersOf (text: string): string[] {
  return Array.from(segmenter.segment(text), ({ segment }) => segment)
}

function starting (characters: readonly string[], columns: number): string[] {
  let width = 0
  const end = characters.findIndex(character => (width += stringWidth(character)) > columns)
  return end === -1 ? [...characters] : characters.slice(0, end)
}
