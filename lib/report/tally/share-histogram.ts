import type { LoggedAbort } from '../input/logged-abort.js'
import type { ShareDistribution } from '../report.js'

/** Received share of the declared length, in steps of ten percent. 0 % and 100 % have bins of their own. */
export class ShareHistogram {
  #undeclared = 0
  #declared = 0
  readonly #bins = new Array<number>(12).fill(0)

  add ({ received, expected }: LoggedAbort): void {
    if (expected === undefined || expected === 0) {
      this.#undeclared++
      return
    }
    this.#declared++
    const bin = received === 0 ? 0 : received >= expected ? 11 : Math.max(1, Math.ceil(received / expected * 10))
    this.#bins[bin] = (this.#bins[bin] ?? 0) + 1
  }

  distribution (): ShareDistribution {
    const bins = this.#bins.map((count, bin) => {
      if (bin === 0) return { from: 0, to: 0, count }
      return { from: (bin - 1) * 10, to: bin === 11 ? null : bin * 10, count }
    })
    return { declared: this.#declared, undeclared: this.#undeclared, bins }
  }
}
