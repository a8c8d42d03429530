import type { BodySource } from './body-source.js'
import { readFacts, type ReadFacts } from '../record/errors.js'
import type { Guard } from '../guard.js'
import { NOWHERE } from '../clock/watch-list.js'
import type { RoutePolicy } from '../limits/resolve.js'
import { ReadClock, type Expiry } from '../clock/read-clock.js'

/** Of a body that took no time: it came whole with its head. */
const UNTIMED = null

/** The bytes of a body, and the time they take. */
export abstract class TimedBody {
  /** Watched by itself only where it has no connection of its own. */
  place = NOWHERE
  received = 0
  #waitsForContinue = false
  readonly #lostBefore: number
  /**
   * Runs from when there is something to wait for, at the first look at the latest: a body that came whole with its head
   * needs none, nor to be told what time it is.
   */
  #clock: ReadClock | undefined
  /** `undefined` while it goes on. */
  #atEnd: ReadFacts | typeof UNTIMED | undefined

  constructor (readonly guard: Guard, readonly source: BodySource, readonly expected: number | undefined, public policy: RoutePolicy) {
    this.#lostBefore = guard.heartbeat.lost
  }

  /** The consumer does not keep up: until it does, the time is not the client's. */
  held (): void {
    const now = this.guard.heartbeat.now()
    const clock = this.clockAt(now)
    if (clock.isPaused) return
    clock.pause(now)
    this.source.watchResume()
  }

  resumed (): void {
    this.#clock?.resume(this.guard.heartbeat.now())
  }

  /** The client waits for `100 Continue`: until it is sent, the time is ours. */
  awaitContinue (): void {
    this.#waitsForContinue = true
    const now = this.guard.heartbeat.now()
    this.clockAt(now).pause(now)
  }

  continued (): void {
    this.#waitsForContinue = false
    this.resumed()
  }

  facts (): ReadFacts {
    const { expected, received, guard: { heartbeat } } = this
    if (this.#atEnd !== undefined) return this.#atEnd ?? readFacts('body', expected, received, 0, 0, 0)
    const now = heartbeat.now()
    const clock = this.clockAt(now)
    return readFacts('body', expected, received, clock.elapsed(now), clock.paused(now, heartbeat.lost), clock.idle(now))
  }

  protected count (bytes: number): number {
    const received = this.received + bytes
    this.received = received
    // The last chunk needs no time: nothing is waited for any more.
    if (received !== this.expected) {
      const now = this.guard.heartbeat.now()
      this.clockAt(now).arrive(bytes, now)
    }
    return received
  }

  protected left (now: number): number {
    const clock = this.clockAt(now)
    // It may have been held back since right after the last look.
    if (this.#waitsForContinue || this.source.isHeldBack()) clock.pause(this.guard.heartbeat.before)
    else clock.resume(now)
    return clock.left(now)
  }

  protected expiry (now: number): Expiry | undefined {
    return this.#clock?.expired(now)
  }

  protected apply (policy: RoutePolicy): void {
    this.policy = policy
    this.#clock?.setLimits(policy.clock, this.guard.heartbeat.now())
    this.source.limitsChanged()
  }

  /** Nothing is waited for any more. */
  protected stop (): void {
    this.#atEnd = this.#clock === undefined ? UNTIMED : this.facts()
  }

  private clockAt (now: number): ReadClock {
    this.#clock ??= new ReadClock(this.policy.clock, now, this.#lostBefore)
    return this.#clock
  }
}
