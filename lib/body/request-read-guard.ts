import type { BodyRead } from './body-read.js'
import type { ReadGuardRouteOptions, ReadLimits } from '../limits/options.js'
import { mergeLimits, type RoutePolicy } from '../limits/resolve.js'

/** The read of one request's body, as the application sees it: `request.readGuard`. */
export interface RequestReadGuard {
  /** `'body'` while the body is being read; `undefined` where there is none, or it was read to its end. */
  readonly phase: 'body' | undefined
  /** Body bytes that arrived, as sent. */
  readonly received: number
  /** Body bytes declared by `Content-Length`; `undefined` where nothing was declared. */
  readonly expected: number | undefined
  /** Counted milliseconds since dispatch: the client's time only. */
  readonly elapsed: number
  /** Milliseconds not counted: the application held back, or the event loop was blocked. */
  readonly paused: number
  /** The limits in force. */
  readonly limits: ReadLimits
  /**
   * Changes the limits of this one read from now on; what is not named stays. Elapsed time still counts against a new
   * `bodyTimeout`; a new `minBodyRate` starts with a full grace period. Without effect where no body is being read.
   *
   * @throws FST_READ_OPTIONS_INVALID on a wrong value
   */
  setLimits (changes: ReadGuardRouteOptions): void
}

class BodyReadGuard implements RequestReadGuard {
  readonly #read: BodyRead

  constructor (read: BodyRead) {
    this.#read = read
  }

  get phase (): 'body' | undefined { return this.#read.isDone ? undefined : 'body' }
  get received (): number { return this.#read.received }
  get expected (): number | undefined { return this.#read.expected }
  get elapsed (): number { return this.#read.facts().elapsed }
  get paused (): number { return this.#read.facts().paused }
  get limits (): ReadLimits { return this.#read.policy.limits }

  setLimits (changes: ReadGuardRouteOptions): void {
    this.#read.setPolicy(mergeLimits(this.#read.policy, changes))
  }
}

class NoBodyReadGuard implements RequestReadGuard {
  readonly phase = undefined
  readonly received = 0
  readonly expected = undefined
  readonly elapsed = 0
  readonly paused = 0
  readonly #policy: RoutePolicy

  constructor (policy: RoutePolicy) {
    this.#policy = policy
  }

  get limits (): ReadLimits { return this.#policy.limits }

  setLimits (changes: ReadGuardRouteOptions): void {
    mergeLimits(this.#policy, changes)
  }
}

export function requestReadGuard (read: BodyRead | undefined, policy: RoutePolicy): RequestReadGuard {
  return read === undefined ? new NoBodyReadGuard(policy) : new BodyReadGuard(read)
}
