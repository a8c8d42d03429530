import type { AnswerDeadline } from '../answer/answer-deadline.js'
import type { FailedRead } from '../record/recorder.js'
import type { BodySource } from './body-source.js'
import { readFacts, untimedFacts, type ReadFacts } from '../record/errors.js'
import type { GuardContext } from '../guard.js'
import { ConnectionRead } from '../clock/connection-read.js'
import { NOT_WATCHED } from '../clock/watch-list.js'
import type { RoutePolicy } from '../limits/resolve.js'
import { ReadClock, type Expiry } from '../clock/read-clock.js'

/** What few bodies need. */
interface Unusual {
  /** The client waits for `100 Continue`, or it is on its way. */
  waitsForContinue: boolean
  /** Sends it. */
  sendContinue: (() => void) | undefined
  failure: FailedRead | undefined
  /** The `limit` of `readRawBody()`; 0 if there is none. */
  askedLimit: number
  restDeadline: AnswerDeadline | undefined
}

/** Stands for the facts of a body that took no time because it came whole with its head. */
const UNTIMED = null

/** The bytes of a body, and the time they take. Each field, here and in `BodyRead`, takes 8 bytes of every body. */
export abstract class TimedBody extends ConnectionRead {
  /** Only used for a body without a connection of its own: otherwise the connection is watched. */
  index = NOT_WATCHED
  received = 0
  /** Made by `need()`. */
  protected unusual: Unusual | undefined
  /**
   * Begins when there is something to wait for, at the first look at the latest. A body that came whole with its head needs no
   * clock, and needn't ask for the time. Until then it is what the heartbeat had lost when the body began.
   */
  #clock: ReadClock | number
  /** `undefined` until the body has ended. */
  #atEnd: ReadFacts | typeof UNTIMED | undefined

  constructor (readonly guard: GuardContext, readonly source: BodySource, readonly expected: number | undefined, public policy: RoutePolicy) {
    super()
    this.#clock = guard.heartbeat.lost
  }

  protected need (): Unusual {
    this.unusual ??= { waitsForContinue: false, sendContinue: undefined, failure: undefined, askedLimit: 0, restDeadline: undefined }
    return this.unusual
  }

  /** The consumer doesn't keep up. Until it does, time doesn't count against the client. */
  onBackPressure (): void {
    const now = this.guard.heartbeat.now()
    const clock = this.clockAt(now)
    if (clock.isPaused) return
    clock.pause(now)
    this.source.watchResume()
  }

  override onResume (): void {
    this.begun?.resume(this.guard.heartbeat.now())
  }

  /** The client waits for `100 Continue`, which `send` sends. Until then, time doesn't count against the client. */
  awaitContinue (send: () => void): void {
    const unusual = this.need()
    unusual.waitsForContinue = true
    unusual.sendContinue = send
    const now = this.guard.heartbeat.now()
    this.clockAt(now).pause(now)
  }

  /** Whether `100 Continue` is still to be sent. */
  get isExpecting (): boolean {
    return this.unusual?.sendContinue !== undefined
  }

  sendContinue (): void {
    const send = this.unusual?.sendContinue
    if (this.unusual === undefined || send === undefined) return
    this.unusual.sendContinue = undefined
    send()
  }

  onContinueSent (): void {
    this.need().waitsForContinue = false
    this.onResume()
  }

  facts (): ReadFacts {
    const { expected, received, guard: { heartbeat } } = this
    if (this.#atEnd !== undefined) return this.#atEnd ?? untimedFacts('body', expected, received)
    return readFacts('body', expected, received, this.clockAt(heartbeat.now()), heartbeat)
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

  /** Whether the response has begun, and its client has taken all there is of it so far. */
  protected abstract get isClientServed (): boolean

  protected remaining (now: number): number {
    const clock = this.clockAt(now)
    // When the pause began is unknown. It counts from the previous look, in the client's favour.
    if (this.unusual?.waitsForContinue === true || this.source.isHeldBack()) clock.pause(this.guard.heartbeat.before)
    else clock.resume(now)
    // In the middle of an answer (streaming RPC) the client may be waiting for more of it.
    if (this.isClientServed) clock.standStill(this.guard.heartbeat.before)
    else clock.goOn(now)
    const taking = this.source.answersTakenSince(now)
    if (taking !== undefined) {
      clock.standStill(taking)
      clock.goOn(now)
    }
    return clock.remaining(now)
  }

  protected expiry (now: number): Expiry | undefined {
    return this.begun?.expired(now)
  }

  protected apply (policy: RoutePolicy): void {
    this.policy = policy
    this.begun?.setLimits(policy.clock, this.guard.heartbeat.now())
    this.source.onLimitsChanged()
  }

  /** Nothing is waited for any more. */
  protected stop (): void {
    this.#atEnd = this.begun === undefined ? UNTIMED : this.facts()
  }

  /** The clock, if it has begun. */
  private get begun (): ReadClock | undefined {
    return typeof this.#clock === 'number' ? undefined : this.#clock
  }

  private clockAt (now: number): ReadClock {
    if (typeof this.#clock === 'number') this.#clock = new ReadClock(this.policy.clock, now, this.#clock)
    return this.#clock
  }
}
