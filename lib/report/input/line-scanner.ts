const newline = 0x0a
const carriageReturn = 0x0d
const openBrace = 0x7b
const closeBrace = 0x7d
const byteOrderMark = Buffer.from('\ufeff')

/** A line longer than this is passed over: memory must not depend on what was logged. */
export const longestLine = 1_048_576

/** So many lines that are not JSON are kept as samples: they tell which program wrote the file. */
const samples = 50

/** Whether a line contains one of the markers. */
type Mark = 'marked' | 'unmarked'

export interface LineCounts {
  lines: number
  notJson: number
  tooLong: number
}

/**
 * Cuts chunks into lines and hands on those that contain one of the markers. The others, most of a log, are never made
 * a string: their first and last byte, `{` and `}`, tell whether they are JSON.
 */
export class LineScanner {
  readonly counts: LineCounts = { lines: 0, notJson: 0, tooLong: 0 }
  /** The first lines that are not JSON, cut to 200 bytes. */
  readonly notJsonSamples: string[] = []
  readonly #markers: readonly Buffer[]
  readonly #onLine: (line: string) => void
  #carry: Buffer[] = []
  #carried = 0
  #skipping = false
  #atStart = true

  constructor (markers: readonly string[], onLine: (line: string) => void) {
    this.#markers = markers.map(marker => Buffer.from(marker))
    this.#onLine = onLine
  }

  write (chunk: Buffer): void {
    const first = chunk.indexOf(newline)
    if (first === -1) {
      this.#keep(chunk)
      return
    }
    let start = 0
    if (this.#skipping) {
      this.#skipping = false
      start = first + 1
    } else if (this.#carried > 0) {
      if (this.#keep(chunk.subarray(0, first))) this.#endOfLine()
      else this.#skipping = false
      start = first + 1
    }
    const rest = this.#scan(chunk, start)
    if (rest < chunk.length) this.#keep(chunk.subarray(rest))
  }

  /** Ends an input: its last line needs no newline, and the next input starts on a line of its own. */
  end (): void {
    if (this.#carried > 0) this.#endOfLine()
    this.#skipping = false
    this.#atStart = true
  }

  /**
   * Keeps a copy, because a view would hold on to the whole chunk.
   * @returns whether the line is still short enough to be read
   */
  #keep (part: Buffer): boolean {
    if (this.#skipping) return false
    this.#carried += part.length
    if (this.#carried <= longestLine) {
      this.#carry.push(Buffer.from(part))
      return true
    }
    this.counts.lines++
    this.counts.tooLong++
    this.#carry = []
    this.#carried = 0
    this.#skipping = true
    this.#atStart = false
    return false
  }

  #endOfLine (): void {
    const line = Buffer.concat(this.#carry)
    this.#carry = []
    this.#carried = 0
    this.#line(line, 0, line.length, this.#markers.some(marker => line.includes(marker)) ? 'marked' : 'unmarked')
  }

  /**
   * Takes every whole line from `start` on.
   * @returns where the last, unfinished one begins
   */
  #scan (chunk: Buffer, start: number): number {
    const found = this.#markers.map(() => -1) // the next place of each marker
    let from = start
    for (let end = chunk.indexOf(newline, from); end !== -1; end = chunk.indexOf(newline, from)) {
      let mark: Mark = 'unmarked'
      for (const [index, marker] of this.#markers.entries()) {
        let at = found[index] ?? -1
        if (at < from) {
          at = chunk.indexOf(marker, from)
          if (at === -1) at = chunk.length
          found[index] = at
        }
        if (at < end) mark = 'marked'
      }
      this.#line(chunk, from, end, mark)
      from = end + 1
    }
    return from
  }

  #line (buffer: Buffer, from: number, to: number, mark: Mark): void {
    let start = from
    let end = to
    if (this.#atStart && buffer.subarray(start, start + 3).equals(byteOrderMark)) start += 3
    this.#atStart = false
    if (end > start && buffer[end - 1] === carriageReturn) end--
    if (start === end) return // a blank line is no line of a log
    this.counts.lines++
    if (buffer[start] !== openBrace || buffer[end - 1] !== closeBrace) this.notJson(buffer.toString('utf8', start, Math.min(end, start + 200)))
    else if (mark === 'marked') this.#onLine(buffer.toString('utf8', start, end))
  }

  notJson (line: string): void {
    this.counts.notJson++
    if (this.notJsonSamples.length < samples) this.notJsonSamples.push(line)
  }
}
