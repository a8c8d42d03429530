import { createInterface } from 'node:readline'

/** Prints text a screen at a time where a person sits in front of it, and all at once elsewhere. */
export class Pages {
  /** Lines on the screen since it was last full. */
  #used = 0
  #screen = process.stdin.isTTY && process.stdout.isTTY ? process.stdout.rows : Infinity
  /** @type {import('node:readline').Interface | undefined} */
  #keys

  /** @param {string} text */
  async show (text) {
    const lines = text.split('\n')
    // A text that fits the screen is not broken at the bottom of it.
    if (this.#used > 0 && this.#used + lines.length >= this.#screen) await this.#turn()
    for (const line of lines) {
      if (this.#used + 1 >= this.#screen) await this.#turn()
      console.log(line)
      this.#used++
    }
  }

  close () {
    this.#keys?.close()
  }

  async #turn () {
    this.#keys ??= createInterface({ input: process.stdin, output: process.stdout })
    const keys = this.#keys
    await new Promise((resolve) => {
      keys.once('close', () => resolve(undefined))
      keys.question('— press Enter to go on — ', resolve)
    })
    this.#used = 0
  }
}
