// Controls (ESC sequences, line breaks), format characters (bidirectional overrides, zero width), line separators and
// lone surrogates: they could move the cursor, repaint a terminal or make one name look like another.
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/** Writes unprintable characters as `\u{…}`, and cuts a text that is longer than `longest` characters. */
export function plainText (text: string, longest = 512): string {
  const shown = text.length > longest ? `${text.slice(0, longest - 1)}…` : text
  return shown.replace(unprintable, character => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
}
