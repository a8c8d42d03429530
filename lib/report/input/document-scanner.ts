const newline = 0x0a
const quote = 0x22
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d
const comma = 0x2c
const colon = 0x3a
const space = 0x20

/** Keys of lists in which platforms export lines. A large document is taken apart if one of these is its first key. */
const firstKey = /^\{\s*"(?:events|data|entries|logs|records|results|hits)"\s*:\s*\[/

/**
 * Takes apart a JSON document that is spread over several lines, or that is longer than a line may be. It hands on each element of
 * an array; and an object as a whole, or, if it is too long (as exports of platforms are), the elements of its list.
 */
export class DocumentScanner {
  state: 'open' | 'closed' | 'broken' | 'broken within a line' = 'open'
  readonly #longest: number
  readonly #onElement: (element: Buffer) => void
  readonly #tooLong: () => void
  #depth = 0
  /** The depth at which elements open: 1 in an array, 0 for a whole object, 2 in the list of an object. */
  #elementDepth = -1
  #inString = false
  #escaped = false
  #inElement = false
  #isLineStart = false
  /** The byte before, spaces aside; 0 at the start. */
  #before = 0
  #parts: Buffer[] = []
  #size = 0
  #skipping = false

  constructor (longest: number, onElement: (element: Buffer) => void, tooLong: () => void) {
    this.#longest = longest
    this.#onElement = onElement
    this.#tooLong = tooLong
  }

  /** @returns the rest of the chunk, if the document ended in it */
  write (chunk: Buffer): Buffer {
    let from = this.#inElement ? 0 : -1
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] ?? 0
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false
        else if (byte === backslash) this.#escaped = true
        else if (byte === quote) {
          this.#inString = false
          if (this.#inElement && this.#depth === this.#elementDepth) from = this.#endElement(chunk, from, at + 1)
        } else if (byte === newline) return this.#break(chunk, at) // no JSON string has one
        continue
      }
      if (byte === newline) this.#isLineStart = true
      const opens = byte === openBrace || byte === openBracket
      if (byte <= space || (this.#depth === 0 && !opens)) continue
      const isLineStart = this.#isLineStart
      const before = this.#before
      this.#isLineStart = false
      this.#before = byte
      // Text that is not JSON is noticed here, before it swallows lines: a key is in quotation marks, and a value follows a sign.
      const isWrong = before === openBrace ? byte !== quote && byte !== closeBrace : opens && before !== 0 && before !== openBracket && before !== comma && before !== colon
      if (isWrong) return isLineStart ? this.#break(chunk, at) : this.#break(chunk, chunk.indexOf(newline, at))
      if (byte === quote) {
        if (!this.#inElement && this.#depth === 1 && this.#elementDepth === 1) from = this.#startElement(at)
        this.#inString = true
      } else if (opens) {
        if (this.#elementDepth === -1) this.#elementDepth = byte === openBracket ? 1 : 0
        if (!this.#inElement && this.#depth === this.#elementDepth) from = this.#startElement(at)
        this.#depth++
      } else if (byte === closeBrace || byte === closeBracket) {
        this.#depth--
        if (this.#inElement && this.#depth === this.#elementDepth) from = this.#endElement(chunk, from, at + 1)
        if (this.#depth <= 0) {
          this.state = 'closed'
          return chunk.subarray(at + 1)
        }
      }
    }
    if (from !== -1) this.#keep(chunk.subarray(from))
    return chunk.subarray(chunk.length)
  }

  /** @param at from where on there are lines again; -1 for the end of the chunk */
  #break (chunk: Buffer, at: number): Buffer {
    this.state = at === -1 ? 'broken within a line' : 'broken'
    return at === -1 ? chunk.subarray(chunk.length) : chunk.subarray(at)
  }

  #startElement (at: number): number {
    this.#inElement = true
    this.#skipping = false
    return at
  }

  #endElement (chunk: Buffer, from: number, to: number): -1 {
    this.#inElement = false
    this.#keep(chunk.subarray(from, to))
    const element = Buffer.concat(this.#parts)
    this.#parts = []
    this.#size = 0
    if (!this.#skipping) this.#onElement(element)
    return -1
  }

  #keep (part: Buffer): void {
    if (this.#skipping) return
    this.#size += part.length
    this.#parts.push(Buffer.from(part))
    if (this.#size <= this.#longest) return
    const start = Buffer.concat(this.#parts)
    this.#parts = []
    this.#size = 0
    if (this.#elementDepth === 0 && firstKey.test(start.toString('latin1', 0, 100))) this.#takeApart(start)
    else {
      this.#skipping = true
      this.#tooLong()
    }
  }

  /** Reads the kept part of a long object once more, for the elements of its list. */
  #takeApart (start: Buffer): void {
    this.#inElement = false
    this.#depth = 0
    this.#inString = false
    this.#escaped = false
    this.#before = 0
    this.#elementDepth = 2
    this.write(start)
  }
}
