import type { ServerResponse } from 'node:http'
import { ReadClock } from '../clock/read-clock.js'
import type { GuardContext } from '../guard.js'
import { responseExpiry } from '../limits/expiry.js'
import type { RoutePolicy } from '../limits/resolve.js'
import type { ReadFacts } from '../record/errors.js'
import { readFacts } from '../record/errors.js'
import { failureOf } from './exchange.js'
import { failResponse, observeResponse, type OwedResponse } from './response-abort.js'

/** What a response is sent over: an HTTP/1 connection, or an HTTP/2 stream. */
export interface ResponseSink {
  readonly guard: GuardContext
  /** All bytes that the operating system has taken so far, of this response or not. */
  taken (): number
  /** Whether bytes wait that the operating system doesn't take. */
  isWaiting (): boolean
  /** The limits in force now; `false` if the response is not guarded. */
  policyOf (response: ServerResponse | undefined): RoutePolicy | false
  /** What a record says of the response. */
  owedOf (response: ServerResponse): OwedResponse
  /** Ends it without waiting for its client. */
  reset (): void
}

/** The longest time between two looks, in milliseconds: bytes taken since the last look count as taken just now. */
const LONGEST_REST = 250

/**
 * One response, from the moment when bytes of it had to wait for the client. The operating system takes most responses at
 * once: they never need one. Its clock only runs while something waits.
 */
export class ResponseRead {
  readonly #sink: ResponseSink
  readonly #clock: ReadClock
  #policy: RoutePolicy
  /** As of the last look. */
  #taken: number
  readonly #base: number
  /** Its one record has been written. */
  #isObserved = false

  /**
   * @param response `undefined` for an answer that the guard has written without one
   * @param base all bytes that had been taken when the response began
   */
  constructor (sink: ResponseSink, readonly response: ServerResponse | undefined, policy: RoutePolicy, now: number, base: number) {
    this.#sink = sink
    this.#policy = policy
    this.#base = base
    this.#taken = sink.taken()
    this.#clock = new ReadClock(policy.responseClock, now, sink.guard.heartbeat.lost)
  }

  /** Bytes of it that the operating system has taken. */
  get sent (): number {
    return this.#taken - this.#base
  }

  get timing (): Pick<ReadFacts, 'elapsed' | 'paused' | 'idle' | 'rate'> {
    const { elapsed, paused, idle, rate } = readFacts('response', undefined, this.#clock.received, this.#clock, this.#sink.guard.heartbeat)
    return { elapsed, paused, idle, rate }
  }

  look (now: number): number {
    this.#applyPolicy(now)
    this.#sample(now)
    return this.#isObserved ? Infinity : Math.min(this.#clock.remaining(now), LONGEST_REST)
  }

  judge (now: number): void {
    this.#sample(now)
    const expiry = this.#clock.expired(now)
    if (expiry === undefined || this.#isObserved || !this.#sink.isWaiting()) return
    const { limits } = this.#policy
    const { response } = this
    // An exchange that has failed already has its record.
    const isOwed = response !== undefined && failureOf(response.req) === undefined
    if (isOwed && limits.mode === 'observe') {
      this.#isObserved = true
      observeResponse(this.#sink.owedOf(response), responseExpiry(expiry, limits))
      return
    }
    if (isOwed) failResponse(this.#sink.owedOf(response), responseExpiry(expiry, limits))
    this.#sink.reset()
  }

  #applyPolicy (now: number): void {
    const policy = this.#sink.policyOf(this.response)
    if (policy === false || policy === this.#policy) return
    this.#policy = policy
    this.#clock.setLimits(policy.responseClock, now)
  }

  #sample (now: number): void {
    const taken = this.#sink.taken()
    const arrived = taken - this.#taken
    this.#taken = taken
    if (this.#sink.isWaiting()) this.#clock.resume(now)
    if (arrived > 0) this.#clock.arrive(arrived, now)
    // Paused last: time counted until the last byte was taken, and nothing waits now.
    if (!this.#sink.isWaiting()) this.#clock.pause(now)
  }
}
