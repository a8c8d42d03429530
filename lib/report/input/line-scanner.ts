import { DocumentScanner } from './document-scanner.js'

const newline = 0x0a
const carriageReturn = 0x0d
const openBrace = 0x7b
const openBracket = 0x5b
const quote = 0x22
const noBytes = Buffer.alloc(0)
const byteOrderMark = Buffer.from('\ufeff')

/** A longer line is passed over, so that memory does not depend on the log. */
export const longestLine = 1_048_576

/** V8 makes and discards strings of this size cheaply, unlike those of 128 KiB or more. */
const sliceSize = 65_536

/** A line of the input, in place. It becomes a string only when one is needed. */
export interface ScannedLine {
  readonly buffer: Buffer
  /** The buffer with one character for each byte: positions are the same in both. */
  readonly text: string
  readonly start: number
  readonly end: number
  /** Bit n is set if the line contains marker n. */
  readonly marks: number
}

export interface LineSink {
  /** A line that is not blank. The object is reused for the next line. */
  line (line: ScannedLine): void
  tooLong (): void
  /** A line seemed to open a JSON document over several lines, but did not. */
  broken (): void
}

/**
 * Cuts chunks into lines, and says which markers each of them contains. The elements of a JSON array, and JSON objects that
 * are spread over several lines, are handed on as if each were a line.
 */
export class LineScanner {
  readonly #markers: readonly string[]
  readonly #sink: LineSink
  readonly #line: { -readonly [key in keyof ScannedLine]: ScannedLine[key] } = { buffer: noBytes, text: '', start: 0, end: 0, marks: 0 }
  #carry: Buffer[] = []
  #carried = 0
  #skipping = false
  #atStart = true
  #document: DocumentScanner | undefined

  constructor (markers: readonly string[], sink: LineSink) {
    this.#markers = markers
    this.#sink = sink
  }

  write (chunk: Buffer): void {
    for (let start = 0; start < chunk.length; start += sliceSize) {
      let rest = chunk.subarray(start, start + sliceSize)
      while (rest.length > 0) rest = this.#document === undefined ? this.#lines(rest) : this.#elements(this.#document, rest)
    }
  }

  /** Ends an input: its last line needs no newline, and the next input starts on a line of its own. */
  end (): void {
    this.#endDocument()
    const opened = this.#carried > 0 ? this.#endOfLine() : undefined
    if (opened !== undefined && this.#document !== undefined) {
      this.#elements(this.#document, opened)
      this.#endDocument()
    }
    this.#skipping = false
    this.#atStart = true
  }

  /** @returns the rest of the chunk: nothing, unless a document begins in it */
  #lines (chunk: Buffer): Buffer {
    if (this.#carried === 0 && !this.#skipping) return this.#scan(chunk)
    const first = chunk.indexOf(newline)
    if (first === -1) {
      this.#keep(chunk)
      return this.#document === undefined ? noBytes : this.#documentStart()
    }
    if (this.#skipping) this.#skipping = false
    else if (this.#keep(chunk.subarray(0, first + 1))) {
      const opened = this.#endOfLine()
      if (opened !== undefined) return Buffer.concat([opened, chunk.subarray(first + 1)])
    } else this.#skipping = false
    return chunk.subarray(first + 1)
  }

  /** Hands the kept bytes to the document that begins in them. */
  #documentStart (): Buffer {
    const start = Buffer.concat(this.#carry)
    this.#carry = []
    this.#carried = 0
    return start
  }

  /**
   * Keeps a copy, because a view would hold on to the whole chunk.
   * @returns whether the line is still short enough to be read
   */
  #keep (part: Buffer): boolean {
    if (this.#skipping) return false
    this.#carried += part.length
    if (this.#carried <= longestLine + 2) {
      this.#carry.push(Buffer.from(part))
      const [first] = this.#carry
      // Only the start of the first part is looked at: an array that begins in the last byte of a chunk is a line.
      if (this.#carry.length === 1 && first !== undefined && first.at(-1) !== newline && opensArray(first, this.#skipBom(first, 0), first.length)) this.#document = this.#newDocument()
      return true
    }
    this.#sink.tooLong()
    this.#carry = []
    this.#carried = 0
    this.#skipping = true
    this.#atStart = false
    return false
  }

  /** @returns the line, if it opens a document */
  #endOfLine (): Buffer | undefined {
    const line = this.#documentStart()
    const text = line.toString('latin1', 0, line.length)
    let marks = 0
    for (const [index, marker] of this.#markers.entries()) if (text.includes(marker)) marks |= 1 << index
    const end = line.at(-1) === newline ? line.length - 1 : line.length
    if (opensDocument(line, this.#skipBom(line, 0), trimmed(line, 0, end))) {
      this.#document = this.#newDocument()
      return line
    }
    this.#emit(line, text, 0, end, marks)
    return undefined
  }

  /**
   * Takes every whole line, and keeps the unfinished last one.
   * @returns the chunk from the line on that opens a document
   */
  #scan (chunk: Buffer): Buffer {
    const text = chunk.toString('latin1', 0, chunk.length)
    const markers = this.#markers
    const found = markers.map(() => -1) // the next place of each marker
    let from = 0
    for (let end = text.indexOf('\n', from); end !== -1; end = text.indexOf('\n', from)) {
      const first = chunk[from]
      if ((first === openBracket || first === openBrace || this.#atStart) && opensDocument(chunk, this.#skipBom(chunk, from), trimmed(chunk, from, end))) {
        this.#document = this.#newDocument()
        return chunk.subarray(from)
      }
      let marks = 0
      for (let index = 0; index < markers.length; index++) {
        let at = found[index] ?? -1
        if (at < from) {
          at = text.indexOf(markers[index] ?? '', from)
          if (at === -1) at = text.length
          found[index] = at
        }
        if (at < end) marks |= 1 << index
      }
      this.#emit(chunk, text, from, end, marks)
      from = end + 1
    }
    if (from === chunk.length) return noBytes
    this.#keep(chunk.subarray(from))
    return this.#document === undefined ? noBytes : this.#documentStart()
  }

  #emit (buffer: Buffer, text: string, from: number, to: number, marks: number): void {
    const start = this.#skipBom(buffer, from)
    this.#atStart = false
    const end = trimmed(buffer, start, to)
    if (start === end) return // a blank line is not a log line
    if (end - start > longestLine) {
      this.#sink.tooLong()
      return
    }
    const line = this.#line
    line.buffer = buffer
    line.text = text
    line.start = start
    line.end = end
    line.marks = marks
    this.#sink.line(line)
  }

  #skipBom (buffer: Buffer, start: number): number {
    return this.#atStart && buffer.subarray(start, start + 3).equals(byteOrderMark) ? start + 3 : start
  }

  #newDocument (): DocumentScanner {
    return new DocumentScanner(longestLine, element => {
      const text = element.toString('latin1', 0, element.length)
      let marks = 0
      for (const [index, marker] of this.#markers.entries()) if (text.includes(marker)) marks |= 1 << index
      this.#emit(element, text, 0, element.length, marks)
    }, () => this.#sink.tooLong())
  }

  #elements (document: DocumentScanner, chunk: Buffer): Buffer {
    const rest = document.write(chunk)
    this.#atStart = false
    if (document.state !== 'open') this.#endDocument()
    return rest
  }

  #endDocument (): void {
    const ended = this.#document
    this.#document = undefined
    if (ended?.state === 'broken within a line') this.#skipping = true
    if (ended !== undefined && ended.state !== 'closed') this.#sink.broken()
  }
}

function trimmed (buffer: Buffer, start: number, end: number): number {
  return end > start && buffer[end - 1] === carriageReturn ? end - 1 : end
}

/** A document begins with a bracket or a brace alone on its line, or with a bracket and the first element of the array. */
function opensDocument (buffer: Buffer, start: number, end: number): boolean {
  const first = buffer[start]
  return end - start === 1 ? first === openBracket || first === openBrace : opensArray(buffer, start, end)
}

function opensArray (buffer: Buffer, start: number, end: number): boolean {
  if (end - start < 2 || buffer[start] !== openBracket) return false
  const second = buffer[start + 1]
  return second === openBrace || (second === quote && buffer[start + 2] === openBrace)
}
