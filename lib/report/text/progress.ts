import { bytesText, percentText } from '../words/amount-text.js'
import type { Output } from '../io.js'

const firstAfter = 1000
const every = 200

/** One line on a terminal that tells how much has been read. It appears after a second, and is wiped at the end. */
export class Progress {
  readonly #output: Output
  readonly #total: number | undefined
  readonly #now: () => number
  #read = 0
  #next: number
  #shown = false

  constructor (output: Output, total: number | undefined, now: () => number) {
    this.#output = output
    this.#total = total
    this.#now = now
    this.#next = now() + firstAfter
  }

  advance (bytes: number): void {
    this.#read += bytes
    if (this.#output.isTTY !== true || this.#now() < this.#next) return
    this.#next = this.#now() + every
    this.#shown = true
    const share = this.#total === undefined || this.#total === 0 ? '' : ` of ${bytesText(this.#total)} (${percentText(this.#read / this.#total)})`
    this.#output.write(`\r\u001b[Kread ${bytesText(this.#read)}${share}`)
  }

  end (): void {
    if (this.#shown) this.#output.write('\r\u001b[K')
  }
}
