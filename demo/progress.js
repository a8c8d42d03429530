const EVERY = 200

/** One line that tells how far a run is. A terminal shows it while the run goes on, everything else has the last state only. */
export class Progress {
  #started = performance.now()
  #done = 0
  #title
  #total
  #timer

  /**
   * @param {string} title
   * @param {number} total clients
   */
  constructor (title, total) {
    this.#title = title
    this.#total = total
    this.#timer = process.stdout.isTTY ? setInterval(() => process.stdout.write(`\r${this.#text()}`), EVERY) : undefined
  }

  advance () {
    this.#done++
  }

  end () {
    clearInterval(this.#timer)
    process.stdout.write(`${process.stdout.isTTY ? '\r' : ''}${this.#text()}\n`)
  }

  #text () {
    const bar = '█'.repeat(this.#done).padEnd(this.#total, '·')
    return `${this.#title.padEnd(14)}  ${bar}  ${this.#done} of ${this.#total} connections are over, ${((performance.now() - this.#started) / 1_000).toFixed(1)} s`
  }
}
