import type { LoggedAbort } from '../input/logged-abort.js'
import type { LimitKind, ReportedPhase } from '../reasons.js'
import { ClientSpread } from './client-spread.js'
import { binOf, QuantileSketch } from './quantile-sketch.js'
import { ShapeTally } from './shape-tally.js'
import { TimeWindow } from './time-window.js'

/** A read that has less than this share of its length, or of an unknown length so few bytes, has hardly begun. */
const hardlyShare = 0.02
const hardlyBytes = 1000
/** A client that has taken so much of a response is really downloading it. */
const takenBytes = 65_536

/** The reads of a route that one limit cut, with the facts that tell which limit would have been enough. */
export class LimitTally {
  phase: ReportedPhase = 'unknown'
  count = 0
  silent = 0
  moving = 0
  /** Moving reads that a minimum rate cut although their average is not below it. */
  burst = 0
  /** Of the reads that say something (moving ones without a burst; for a size, all), those that declared a length. */
  declared = 0
  lowest = Infinity
  highest = -Infinity
  /** Milliseconds that each read would have taken to its end, at the rate that it had. */
  readonly needed = new QuantileSketch()
  readonly rates = new QuantileSketch()
  readonly sizes = new QuantileSketch()
  /** Reads that look like those of people on a slow network: still moving at the end, and more than half done. */
  readonly honest = { count: 0, clients: new ClientSpread(), needed: new QuantileSketch(), rates: new QuantileSketch() }
  /** Reads that had hardly begun. */
  hardly = 0
  /** Milliseconds of all reads. */
  elapsed = 0
  readonly clients = new ClientSpread()
  readonly shapes = new ShapeTally()
  readonly window = new TimeWindow()
  readonly #kind: LimitKind
  /** By bin of `rates`: how many `needed`, and the longest of them. */
  readonly #longest = new Map<number, { readonly count: number, readonly ms: number }>()

  constructor (kind: LimitKind) {
    this.#kind = kind
  }

  add (abort: LoggedAbort): void {
    const { limit, elapsed, rate, time, network } = abort
    const { received, expected } = progressOf(abort)
    this.count++
    this.phase = abort.phase
    if (received === 0) this.silent++
    if (limit !== undefined) {
      this.lowest = Math.min(this.lowest, limit)
      this.highest = Math.max(this.highest, limit)
    }
    const moves = isMoving(abort, received)
    if (moves) this.moving++
    // A fast start raises the average, but no more than `gracePeriod` can be saved up: the average says nothing then.
    const burst = moves && this.#kind === 'rate' && limit !== undefined && rate >= limit
    if (burst) this.burst++
    const needed = expected === undefined || expected < received || received === 0 ? undefined : elapsed * expected / received
    if (this.#kind === 'size') this.#addSize(expected)
    else if (moves && !burst) this.#addMoving(rate, needed)

    const isHonest = moves && !burst && isFar(abort, received, expected)
    if (isHonest) {
      this.honest.count++
      this.honest.clients.add(network, true)
      this.honest.rates.add(rate)
      if (needed !== undefined) this.honest.needed.add(needed)
    }
    if (hasHardlyBegun(abort, received, expected)) this.hardly++
    this.elapsed += elapsed
    this.clients.add(network, isHonest)
    this.shapes.add(received, expected)
    if (time !== undefined) this.window.add(time)
  }

  merge (other: LimitTally): void {
    this.count += other.count
    this.phase = other.phase
    this.silent += other.silent
    this.moving += other.moving
    this.burst += other.burst
    this.declared += other.declared
    this.lowest = Math.min(this.lowest, other.lowest)
    this.highest = Math.max(this.highest, other.highest)
    this.needed.merge(other.needed)
    this.rates.merge(other.rates)
    this.sizes.merge(other.sizes)
    this.honest.count += other.honest.count
    this.honest.clients.merge(other.honest.clients)
    this.honest.needed.merge(other.honest.needed)
    this.honest.rates.merge(other.honest.rates)
    this.hardly += other.hardly
    this.elapsed += other.elapsed
    this.clients.merge(other.clients)
    this.shapes.merge(other.shapes)
    this.window.merge(other.window)
    for (const [bin, { count, ms }] of other.#longest) this.#keepLongest(bin, count, ms)
  }

  /** Of the moving reads at this rate or a higher one that declared a length: their number, and the longest time needed. */
  longestFrom (rate: number): { count: number, ms: number } {
    const found = { count: 0, ms: 0 }
    for (const [bin, { count, ms }] of this.#longest) {
      if (bin < binOf(rate)) continue
      found.count += count
      found.ms = Math.max(found.ms, ms)
    }
    return found
  }

  #addSize (expected: number | undefined): void {
    if (expected === undefined) return
    this.declared++
    this.sizes.add(expected)
  }

  #addMoving (rate: number, needed: number | undefined): void {
    this.rates.add(rate)
    if (needed === undefined) return
    this.declared++
    this.needed.add(needed)
    this.#keepLongest(binOf(rate), 1, needed)
  }

  #keepLongest (bin: number, more: number, needed: number): void {
    const { count, ms } = this.#longest.get(bin) ?? { count: 0, ms: 0 }
    this.#longest.set(bin, { count: count + more, ms: Math.max(ms, needed) })
  }
}

/** The bytes that the client has taken of a response; the record does not say how long it is. */
function progressOf ({ phase, received, expected, sent }: LoggedAbort): { readonly received: number, readonly expected: number | undefined } {
  return phase === 'response' ? { received: sent ?? 0, expected: undefined } : { received, expected }
}

/** A moving read is slow, but not stuck: its last byte came in the last quarter of its time. */
function isMoving ({ idle, elapsed }: LoggedAbort, received: number): boolean {
  return received > 0 && elapsed > 0 && idle <= elapsed / 4
}

/** A head is one packet: no network is so slow that it arrives in part. */
function isFar ({ phase }: LoggedAbort, received: number, expected: number | undefined): boolean {
  if (phase === 'response') return received >= takenBytes
  return phase === 'body' && expected !== undefined && received * 2 >= expected
}

function hasHardlyBegun ({ phase }: LoggedAbort, received: number, expected: number | undefined): boolean {
  if (phase === 'headers' || phase === 'handshake') return true
  return phase === 'body' && (expected === undefined ? received < hardlyBytes : received < expected * hardlyShare)
}
