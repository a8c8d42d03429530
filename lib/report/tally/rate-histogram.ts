import type { LoggedAbort } from '../input/logged-abort.js'
import { reasonTable } from '../reasons.js'
import type { RateDistribution } from '../report.js'

const steps = [1, 2, 5]
const most = 27 // up to 10⁹ bytes per second
const mostLimits = 64
const shownLimits = 3

/** Rates of slow clients in steps of 1, 2, 5, 10 …. Reads that a minimum rate cut are counted apart. */
export class RateHistogram {
  readonly #tooSlow = new Array<number>(most + 1).fill(0)
  readonly #other = new Array<number>(most + 1).fill(0)
  /** By option and value. */
  readonly #limits = new Map<string, { readonly option: string, readonly bytesPerSecond: number, count: number }>()

  add ({ reason, blame, received, rate, limit }: LoggedAbort): void {
    if (blame !== 'client_slow' || received === 0) return
    const { option = '', kind } = reasonTable[reason].limit ?? {}
    const byRate = kind === 'rate'
    const counts = byRate ? this.#tooSlow : this.#other
    const bin = binOf(rate)
    counts[bin] = (counts[bin] ?? 0) + 1
    if (!byRate || limit === undefined) return
    const key = `${option} ${limit}`
    const known = this.#limits.get(key)
    if (known !== undefined) known.count++
    else if (this.#limits.size < mostLimits) this.#limits.set(key, { option, bytesPerSecond: limit, count: 1 })
  }

  /** Spans all bins in use, and those of the limits that are shown. */
  distribution (): RateDistribution {
    const limits = [...this.#limits.values()].sort((a, b) => b.count - a.count).slice(0, shownLimits)
    const used = [...this.#tooSlow.keys()].filter(bin => this.#tooSlow[bin] !== 0 || this.#other[bin] !== 0)
    if (used.length === 0) return { bins: [], limits }
    const inUse = [...used, ...limits.map(limit => binOf(limit.bytesPerSecond))]
    const bins = []
    for (let bin = Math.min(...inUse); bin <= Math.max(...inUse); bin++) {
      bins.push({ from: bottomOf(bin), to: bottomOf(bin + 1), tooSlow: this.#tooSlow[bin] ?? 0, other: this.#other[bin] ?? 0 })
    }
    return { bins, limits }
  }
}

/** Bin 0 is below one byte per second. */
function bottomOf (bin: number): number {
  return bin === 0 ? 0 : (steps[(bin - 1) % 3] ?? 1) * 10 ** Math.floor((bin - 1) / 3)
}

function binOf (rate: number): number {
  let bin = 0
  while (bin < most && rate >= bottomOf(bin + 1)) bin++
  return bin
}
