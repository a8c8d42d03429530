import type { ClockLimits, Expiry } from '../../../lib/clock/read-clock.js'

/** Something that happens to a read. */
export type Happening =
  | { readonly kind: 'bytes', readonly count: number }
  | { readonly kind: 'pause' | 'resume' }
  | { readonly kind: 'limits', readonly limits: ClockLimits }
  /** The event loop is blocked for so many milliseconds. */
  | { readonly kind: 'block', readonly ms: number }

/** What happens, each so many milliseconds after what happened before. */
export type Script = ReadonlyArray<{ readonly after: number, readonly what: Happening }>

/** What this process does in one millisecond of its life, in order; `at` is real time. */
export type Step =
  | { readonly kind: 'tick' }
  | { readonly kind: 'beat' | 'judge', readonly at: number }
  | { readonly kind: 'happens', readonly at: number, readonly what: Happening }

/**
 * A life of an event loop, millisecond by millisecond: timers come first, then what has come in meanwhile, then the
 * verdicts. While it is blocked nothing is done, and what comes has to wait.
 */
export function * eventLoop (script: Script, resolution: number, length: number): Generator<Step> {
  const waiting = [...script]
  let due = waiting[0]?.after ?? Infinity
  let nextBeat = resolution
  let blocked = 0
  for (let at = 0; at <= length; at++) {
    if (blocked > 0) {
      blocked--
    } else {
      const beats = at >= nextBeat
      if (beats) {
        yield { kind: 'beat', at }
        nextBeat = at + resolution
      }
      while (due <= at) {
        const what = waiting.shift()?.what
        if (what === undefined) break
        due += waiting[0]?.after ?? Infinity
        if (what.kind === 'block') blocked += what.ms
        else yield { kind: 'happens', at, what }
      }
      if (beats) yield { kind: 'judge', at }
    }
    yield { kind: 'tick' }
  }
}

/**
 * What `CountedTime` and `ReadClock` say together, found the slow way: it is never told what time it is, lives through
 * every millisecond, and has a counter for each limit. Tokens are whole: a byte is a thousand of them, a millisecond costs
 * `bytesPerSecond` (which must be whole for that).
 */
export class ClockOracle {
  elapsed = 0
  paused = 0
  silence = 0
  received = 0
  #limits: ClockLimits
  #isPaused = false
  #tokens: number
  /** Milliseconds since the last beat, and how many of them count at most. */
  #sinceBeat = 0
  readonly #longest: number
  #out: Expiry[] = []
  #isOrdered = true

  constructor (limits: ClockLimits, longest: number) {
    this.#limits = limits
    this.#longest = longest
    this.#tokens = this.#full
  }

  tick (): void {
    if (this.#sinceBeat === this.#longest || this.#isPaused) {
      this.paused++
    } else {
      this.elapsed++
      this.silence++
      if (this.#limits.minRate !== false) this.#tokens -= this.#limits.minRate.bytesPerSecond
    }
    if (this.#sinceBeat < this.#longest) this.#sinceBeat++
    this.#look()
  }

  beat (): void {
    this.#sinceBeat = 0
  }

  happens (what: Happening): void {
    if (what.kind === 'pause') this.#isPaused = true
    if (what.kind === 'resume') this.#isPaused = false
    if (what.kind === 'bytes') this.#arrive(what.count)
    if (what.kind === 'limits') this.#change(what.limits)
    if (what.kind === 'bytes' || what.kind === 'limits') {
      this.#look()
      this.#isOrdered = this.#out.length < 2
    }
  }

  /** What has run out. */
  get out (): readonly Expiry[] {
    return this.#out
  }

  /** What ran out first; `undefined` where bytes or new limits have changed since what would have been when. */
  get first (): Expiry | undefined {
    return this.#isOrdered ? this.#out[0] : undefined
  }

  /** Whether the bucket is exactly empty, which a float may miss by a hair. */
  get isOnTheBrink (): boolean {
    return this.#tokens === 0 && this.#out.length === 1 && this.#out[0] === 'rate'
  }

  get #full (): number {
    const { minRate } = this.#limits
    return minRate === false ? 0 : minRate.gracePeriod * minRate.bytesPerSecond
  }

  #arrive (count: number): void {
    this.received += count
    this.silence = 0
    for (let i = 0; i < count; i++) this.#tokens += 1_000
    if (this.#tokens > this.#full) this.#tokens = this.#full
  }

  #change (limits: ClockLimits): void {
    const other = limits.minRate !== this.#limits.minRate
    this.#limits = limits
    if (other) this.#tokens = this.#full
  }

  #isOut (limit: Expiry): boolean {
    const { total, idle, minRate } = this.#limits
    if (limit === 'total') return total !== 0 && this.elapsed >= total
    if (limit === 'idle') return idle !== 0 && this.silence >= idle
    return minRate !== false && this.#tokens <= 0
  }

  #look (): void {
    this.#out = this.#out.filter(limit => this.#isOut(limit))
    // A bucket that is overdrawn was empty before the millisecond was over.
    const order: readonly Expiry[] = this.#tokens < 0 ? ['rate', 'total', 'idle'] : ['total', 'idle', 'rate']
    for (const limit of order) {
      if (this.#isOut(limit) && !this.#out.includes(limit)) this.#out.push(limit)
    }
  }
}
