import type { ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { endAnsweredBody, endBody, recordBody, refuseBody } from './body-ending.js'
import type { BodySource } from './body-source.js'
import { ABANDONED, DONE, FAILED, OBSERVED, OPEN, PASSING } from './body-state.js'
import type { ConnectionRead } from '../clock/connection-read.js'
import { checkDeclared, declaredLength } from '../limits/content-length.js'
import { readError, type ReadError, type Violation } from '../record/errors.js'
import { bodyExpiry } from '../limits/expiry.js'
import type { Guard } from '../guard.js'
import { failIncoming, guardIncoming, isBeingRead, type GuardedRequest } from '../node/request-hooks.js'
import { isFinished } from '../node/internals.js'
import { unguarded, type RoutePolicy } from '../limits/resolve.js'
import { TimedBody } from './timed-body.js'

/** One request body, from dispatch to its last byte. */
export class BodyRead extends TimedBody implements ConnectionRead {
  reply: FastifyReply | undefined
  error: ReadError | undefined
  #state = OPEN

  constructor (guard: Guard, source: BodySource, readonly raw: GuardedRequest, public response: ServerResponse, policy: RoutePolicy) {
    super(guard, source, declaredLength(raw.headers), policy)
    guardIncoming(raw, this)
  }

  get phase (): 'body' {
    return 'body'
  }

  get request (): FastifyRequest | undefined {
    return this.reply?.request
  }

  /** Whether a rule can still be broken. */
  get judged (): boolean {
    return this.#state === OPEN
  }

  get done (): boolean {
    return this.#state === DONE
  }

  /** The route is known, and its limits hold from here on. Returns why the body is refused before a byte is read, if it is. */
  routed (reply: FastifyReply, policy: RoutePolicy | false): ReadError | undefined {
    this.reply = reply
    // That of an upgrade request is made by whoever routes it.
    this.response = reply.raw
    if (this.error !== undefined) return this.error
    if (policy === false) {
      this.#state = PASSING
      this.apply(unguarded)
      return undefined
    }
    if (policy !== this.policy) this.apply(policy)
    const violation = checkDeclared(this.expected, policy.limits)
    if (violation === undefined || this.observes(violation)) return undefined
    this.refused(violation)
    return this.error
  }

  setPolicy (policy: RoutePolicy): void {
    if (this.#state === PASSING) this.#state = OPEN
    this.apply(policy)
    const { bodyLimit } = policy.limits
    const violation = checkDeclared(this.expected, policy.limits)
    if (violation !== undefined) this.fail(violation)
    else if (bodyLimit > 0 && this.received > bodyLimit) this.fail({ code: 'FST_READ_BODY_TOO_LARGE', limit: bodyLimit })
  }

  lowerBodyLimit (bodyLimit: number): void {
    const { limits, clock } = this.policy
    if (limits.bodyLimit === 0 || bodyLimit < limits.bodyLimit) this.setPolicy({ limits: { ...limits, bodyLimit }, clock })
  }

  /** Counts a chunk; false when it must not reach the consumer. */
  arrive (bytes: number): boolean {
    const received = this.count(bytes)
    if (this.#state > PASSING) {
      this.source.discarded()
      return false
    }
    const { expected, policy: { limits: { bodyLimit } } } = this
    if (bodyLimit > 0 && received > bodyLimit) return this.fail({ code: 'FST_READ_BODY_TOO_LARGE', limit: bodyLimit })
    // HTTP/1 frames by Content-Length; inject() does not.
    if (expected !== undefined && received > expected) return this.fail({ code: 'FST_READ_LENGTH_MISMATCH' })
    return true
  }

  /** The last byte was read; false when the consumer must not be told so. */
  end (): boolean {
    const { received, expected } = this
    const cut = this.source.cutBy()
    if (cut !== undefined || (expected !== undefined && received !== expected)) this.endShort(cut)
    const failed = this.#state === FAILED
    this.#state = DONE
    this.stop()
    this.source.ended()
    return !failed
  }

  look (now: number): number {
    this.leave()
    // Of a stream the rest can be declined whether its answer leaves or not, and is then watched by itself.
    if (this.source.protocol === 'h2' && this.giveUp()) return Infinity
    return this.#state === OPEN || this.#state === ABANDONED ? this.left(now) : Infinity
  }

  judge (now: number): void {
    const expiry = this.expiry(now)
    if (expiry === undefined) return
    // What is left after the answer is no read any more: it ends without a word.
    if (this.#state === ABANDONED) this.source.cut()
    else this.fail(bodyExpiry(expiry, this.policy.limits))
  }

  /**
   * A rule was broken: consumer, answer and record get the same error.
   * @returns whether the read goes on nevertheless
   */
  fail (violation: Violation): boolean {
    if (this.#state !== OPEN) return this.passes
    if (this.giveUp()) return false
    if (this.observes(violation)) return true
    this.broken(violation)
    return false
  }

  /** The read can't go on, whatever the mode: the parser, the network or Node's own timers ended it. */
  broken (violation: Violation): void {
    endBody(this, this.close(violation))
  }

  /** As `broken`, where somebody else has answered already. */
  brokenAndAnswered (violation: Violation, answered: boolean): void {
    endAnsweredBody(this, this.close(violation), answered)
  }

  /** The body is refused, and the framework gives the answer. */
  refused (violation: Violation): void {
    if (this.passes || this.error !== undefined) return
    refuseBody(this, this.close(violation))
  }

  /** The source ended before the body did, which the consumer must not take for its end. */
  truncated (violation: Violation): void {
    if (this.giveUp()) return
    if (this.#state === OPEN) this.broken(violation)
    else if (this.#state === OBSERVED) failIncoming(this.raw, readError(violation, this.facts()))
  }

  /** Abandons what is left where the answer has left since the last look, and nobody reads on. */
  leave (): boolean {
    return this.leaveIf(isFinished(this.response))
  }

  /** As `leave`, where it can't go on: the answer, which may still be on its way, stands. */
  giveUp (): boolean {
    return this.leave() || this.leaveIf(this.response.writableEnded)
  }

  /** The answer was given without the rest of the body, which is no read any more. */
  abandon (hasLeft = isFinished(this.response)): void {
    if (this.#state >= ABANDONED) return
    if (this.#state < FAILED) failIncoming(this.raw, readError({ code: 'FST_READ_ABORTED' }, this.facts()))
    this.#state = ABANDONED
    if (this.policy.limits.mode === 'observe') this.apply(unguarded)
    this.source.abandoned(this.policy.limits.linger, hasLeft ? undefined : this.response)
  }

  private close (violation: Violation): ReadError {
    // What ended as it was refused stays ended.
    if (this.#state < FAILED) this.#state = FAILED
    this.error = readError(violation, this.facts())
    return this.error
  }

  private observes (violation: Violation): boolean {
    if (this.policy.limits.mode !== 'observe' || this.#state !== OPEN) return this.passes
    this.#state = OBSERVED
    recordBody(this, readError(violation, this.facts()), { answered: false, observed: true })
    return true
  }

  private get passes (): boolean {
    return this.#state === OBSERVED || this.#state === PASSING
  }

  private endShort (cut: Violation | undefined): void {
    if (this.giveUp()) return
    if (cut !== undefined) this.truncated(cut)
    else this.fail({ code: 'FST_READ_LENGTH_MISMATCH' })
  }

  private leaveIf (answered: boolean): boolean {
    const left = answered && (this.#state === FAILED || !isBeingRead(this.raw))
    if (left) this.abandon()
    return left
  }
}
