import type { AsyncResource } from 'node:async_hooks'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AnswerDeadline } from '../answer/answer-deadline.js'
import { mostDiscarded } from '../answer/linger-bounds.js'
import type { GuardContext } from '../guard.js'
import { bodyViolation } from '../limits/client-error-violation.js'
import { checkDeclared, declaredLength } from '../limits/content-length.js'
import { bodyExpiry } from '../limits/expiry.js'
import { unguarded, type RoutePolicy } from '../limits/resolve.js'
import { causeOf, type ClientErrorReport, type OwnClientErrorHandlers } from '../node/client-error.js'
import { afterOnRequest } from '../node/fastify.js'
import { failRequest, hookRequest, keepConnection, onFirstRead, sinkOf, type GuardedRequest, type RequestSink } from '../node/request-hooks.js'
import { hasConsumer, isAtEnd, isBeingRead } from '../node/request-kind.js'
import { requestOrigin, type ReadOrigin } from '../record/abort-record.js'
import type { ReadError, Violation } from '../record/errors.js'
import type { FailedRead } from '../record/recorder.js'
import { failExchange, ownContext } from '../response/exchange.js'
import { tellStatus, type RequestBody } from '../response/response-abort.js'
import { endAnsweredBody, endBody, isHijacked, refuseBody, type FailedBody } from './body-ending.js'
import type { BodySource } from './body-source.js'
import { TimedBody } from './timed-body.js'

/**
 * What happens to the bytes of a body:
 *
 * - `open`: they go to the consumer, and are judged.
 * - `observed`: they go to the consumer, no longer judged because the one record has been written (`mode: 'observe'`).
 * - `passing`: as `observed`, on a route that is not guarded.
 * - `failed`: a rule was broken: they are thrown away.
 * - `abandoned`: the answer was given without the rest: they are thrown away.
 * - `done`: the last one has come.
 *
 * ```
 *  open ──▶ failed ──▶ abandoned ──▶ done
 *   │ ▲                    ▲
 *   ▼ │ setLimits()        │
 *  observed, passing ──────┘          from each of them to done
 * ```
 */
type BodyState = 'open' | 'observed' | 'passing' | 'failed' | 'abandoned' | 'done'

const Is = {
  /** Its route is known. */
  routed: 1,
  /** `bodyLimit` applies to its bytes. It doesn't until the route is known, because the route may allow more. */
  limited: 2,
  /** The body ended before its read began. It is judged once the route is known. */
  endOwed: 4,
  /** `afterOnRequest` will still call back, when the last `onRequest` hook has run. */
  awaitingHooks: 8
} as const

/** One request body, from dispatch to its last byte. */
export class BodyRead extends TimedBody implements RequestSink, FailedBody, RequestBody {
  reply: FastifyReply | undefined
  #state: BodyState = 'open'
  /** What holds of it, as a sum of `Is`. */
  #is = 0
  /** The request's own async context (`AsyncLocalStorage`, tracing), once known: failures are noticed in that of a timer or a socket. */
  #context: AsyncResource | undefined
  constructor (guard: GuardContext, source: BodySource, readonly raw: GuardedRequest, public response: ServerResponse, policy: RoutePolicy) {
    super(guard, source, declaredLength(raw.headers), policy)
    hookRequest(raw, this, source)
  }

  private is (what: number): boolean {
    return (this.#is & what) !== 0
  }

  private set (what: number, holds: boolean): void {
    this.#is = holds ? this.#is | what : this.#is & ~what
  }

  /** From now on, whether the rest has taken too long is asked. */
  private limitRest (): AnswerDeadline {
    const unusual = this.need()
    unusual.restDeadline ??= new AnswerDeadline(this.policy.limits.linger)
    return unusual.restDeadline
  }

  get phase (): 'body' {
    return 'body'
  }

  get request (): FastifyRequest | undefined {
    return this.reply?.request
  }

  /** Why the read failed, if it did. */
  get error (): ReadError | undefined {
    return this.unusual?.failure?.error
  }

  /** Whether a rule can still be broken. */
  get isJudged (): boolean {
    return this.#state === 'open'
  }

  get isDone (): boolean {
    return this.#state === 'done'
  }

  get isUnderWay (): boolean {
    return this.#state !== 'done' && this.#state !== 'abandoned'
  }

  /** Applies the limits of the route from here on; `false` is a route that is not guarded. */
  setRoute (policy: RoutePolicy | false): void {
    if (this.is(Is.routed)) return
    this.#is |= Is.routed | Is.limited
    if (policy === false) {
      if (this.#state === 'open') this.#state = 'passing'
      this.apply(unguarded)
    } else if (policy !== this.policy) {
      this.apply(policy)
    }
  }

  /** Applies the plugin's `bodyLimit` to a request that may never reach a route. */
  limitUnrouted (): void {
    this.set(Is.limited, true)
  }

  /** Fastify has made the reply to the request, and hasn't run its hooks yet. */
  onRouted (reply: FastifyReply, policy: RoutePolicy | false): void {
    this.reply = reply
    // An upgrade request gets its response only when it is routed.
    this.response = reply.raw
    if (this.guard.journal.tellsContext) this.keepContext()
    this.setRoute(policy)
    this.takeWhole()
    if (this.is(Is.endOwed)) this.onEnd()
    this.set(Is.endOwed, false)
    if (this.isExpecting || this.error !== undefined || this.violation !== undefined) this.awaitHooks(reply.request)
  }

  /** Counts a body that is already here as a whole, unless its declared length gets it refused. */
  private takeWhole (): void {
    const { wholeBytes } = this.source
    if (wholeBytes === undefined || this.violation !== undefined) return
    this.count(wholeBytes)
    this.set(Is.endOwed, true)
  }

  /** The application is about to read the body: it is refused, or the client is told to send it. Returns why it is refused. */
  private onHooksPassed (): ReadError | undefined {
    const { violation } = this
    if (violation !== undefined && !this.observes(violation)) this.refuse(violation)
    if (this.error === undefined) this.sendContinue()
    return this.error
  }

  /**
   * A refusal waits for the last `onRequest` hook, so that it looks like the application's own answers. Returns whether
   * that hook is still to come.
   */
  private awaitHooks (request: FastifyRequest): boolean {
    const waits = this.is(Is.awaitingHooks) || afterOnRequest(request, () => {
      this.set(Is.awaitingHooks, false)
      return this.onHooksPassed()
    })
    this.set(Is.awaitingHooks, waits)
    // A hook may read the body itself.
    if (waits) onFirstRead(this.raw, () => this.onWanted())
    return waits
  }

  /** The body is wanted, possibly before the hooks are over. */
  onWanted (): void {
    const { violation } = this
    if (violation !== undefined && this.is(Is.awaitingHooks) && !this.fail(violation)) return
    this.sendContinue()
  }

  /** Whether the client is to get an answer instead of a `100 Continue`, as far as is known. */
  get isRefusalDue (): boolean {
    // Nothing shows that an answer is held up in a hook, except that its content type is set by then.
    return this.error !== undefined || (this.is(Is.routed) && this.violation !== undefined) || this.reply?.hasHeader('content-type') === true
  }

  /** The rule that the body already breaks, by its declared length or by what came before its read began. */
  private get violation (): Violation | undefined {
    if (this.passes || this.#state === 'abandoned' || this.error !== undefined) return undefined
    const { expected, received, policy: { limits } } = this
    if (limits.bodyLimit > 0 && received > limits.bodyLimit) return { code: 'FST_READ_BODY_TOO_LARGE', limit: limits.bodyLimit }
    return checkDeclared(expected, limits)
  }

  /** Counts what came before the read began, so that the limits of the route apply to it. */
  catchUp (): void {
    this.count(this.raw.readableLength)
    this.set(Is.endOwed, isAtEnd(this.raw))
  }

  setPolicy (policy: RoutePolicy): void {
    if (this.#state === 'passing') this.#state = 'open'
    this.apply(policy)
    const { violation, request } = this
    if (violation === undefined) return
    // If the route is known but not yet the reply, `onRouted` will get the reply and refuse the body.
    const isAwaited = request === undefined ? this.is(Is.routed) : this.awaitHooks(request)
    if (!isAwaited) this.fail(violation)
  }

  /** The application asks for a limit in addition to those of the route. It is enforced even in `mode: 'observe'`. */
  askBodyLimit (bodyLimit: number): void {
    const { limits } = this.policy
    this.need().askedLimit = bodyLimit
    if (Math.max(this.expected ?? 0, this.received) > bodyLimit) this.enforce({ code: 'FST_READ_BODY_TOO_LARGE', limit: bodyLimit })
    else if (limits.bodyLimit === 0 || bodyLimit < limits.bodyLimit) this.setPolicy(Object.freeze({ ...this.policy, limits: Object.freeze({ ...limits, bodyLimit }) }))
  }

  onChunk (bytes: number): boolean {
    const received = this.count(bytes)
    if (!this.isConsumed) {
      this.source.onDiscarded()
      // The bounds of lingering only apply after the answer, and the application may take any time to give it.
      if (this.#state === 'failed' && received - (this.error?.received ?? 0) > mostDiscarded(this.policy.limits.linger)) this.holdUntilAnswered()
      return false
    }
    const { expected, policy: { limits: { bodyLimit } } } = this
    const askedLimit = this.unusual?.askedLimit ?? 0
    if (askedLimit > 0 && received > askedLimit) return this.enforce({ code: 'FST_READ_BODY_TOO_LARGE', limit: askedLimit })
    if (bodyLimit > 0 && received > bodyLimit && !this.is(Is.awaitingHooks)) {
      if (this.is(Is.limited)) return this.fail({ code: 'FST_READ_BODY_TOO_LARGE', limit: bodyLimit })
      const limit = this.guard.mostBytes()
      // A hook is reading the body, and the request may never reach its route; but no route allows this many bytes.
      if (received > limit && hasConsumer(this.raw)) return this.fail({ code: 'FST_READ_BODY_TOO_LARGE', limit })
    }
    // HTTP/1 frames by Content-Length; inject() does not.
    if (expected !== undefined && received > expected) return this.fail({ code: 'FST_READ_LENGTH_MISMATCH' })
    return true
  }

  /** Later hooks may enter another async context: the consumer's is the last, and replaces the one kept before. */
  onRead (): void {
    this.keepContext()
  }

  /** Keeps the current async context as the request's own. */
  keepContext (): void {
    this.#context = ownContext()
  }

  inContext (act: () => void): void {
    if (this.#context === undefined) act()
    else this.#context.runInAsyncScope(act)
  }

  onEnd (): boolean {
    const { received, expected } = this
    const cut = this.source.cutBy()
    if (cut !== undefined || (expected !== undefined && received !== expected)) this.endShort(cut)
    const goesOn = this.#state !== 'failed'
    this.#state = 'done'
    this.stop()
    this.source.onBodyEnd(goesOn ? undefined : this.response)
    return goesOn
  }

  look (now: number): number {
    if (this.is(Is.endOwed)) return Infinity
    if (!this.abandonIfAnswerSent() && this.isLeftBehind(now)) this.abandon()
    if (this.#state === 'failed' && (this.unusual?.restDeadline?.isPassed(0, now) === true || this.isLeftAlone)) this.source.cut()
    if (this.source.declinesEarly && this.abandonIfAnswerBegun()) return Infinity
    return this.#state === 'open' || this.#state === 'abandoned' ? this.remaining(now) : Infinity
  }

  override judge (now: number): void {
    const expiry = this.expiry(now)
    if (expiry === undefined) return
    // After the answer, the rest of the body is no longer a read: it is ended without a record.
    if (this.#state === 'abandoned') this.source.cut()
    else this.fail(bodyExpiry(expiry, this.policy.limits))
  }

  /**
   * A rule was broken: consumer, answer and record get the same error.
   *
   * @returns whether the read goes on nevertheless
   */
  fail (violation: Violation): boolean {
    if (this.#state !== 'open') return this.passes
    if (this.abandonIfAnswerBegun()) return false
    if (this.observes(violation)) return true
    this.breakOff(violation)
    return false
  }

  /** Like `fail()`, but in every mode: it also ends a read that is only observed. */
  private enforce (violation: Violation): boolean {
    if (this.isConsumed && !this.abandonIfAnswerBegun()) this.breakOff(violation)
    return false
  }

  /** The read can't go on, whatever the mode: the parser, the network or Node's own timers ended it. */
  breakOff (violation: Violation): void {
    this.inContext(() => endBody(this, this.close(violation)))
  }

  /** The body is refused, and the framework gives the answer. */
  refuse (violation: Violation): void {
    if (this.passes || this.error !== undefined) return
    this.keepContext()
    refuseBody(this, this.close(violation))
  }

  /** The source ended before the body did. The consumer must not take this for the end of the body. */
  onTruncated (violation: Violation): void {
    if (this.abandonIfAnswerBegun()) return
    if (this.#state === 'open') this.breakOff(violation)
    else if (this.#state === 'observed') this.failUnrecorded(violation)
  }

  onClientError ({ error, server, socket, pass }: ClientErrorReport): void {
    const isGone = causeOf(error) === 'gone'
    const hasAnswer = this.response.headersSent
    if (this.isJudged) {
      const violation = bodyViolation(error, server, socket)
      const { ownHandlers } = this.guard
      if (isGone && error.syscall !== undefined) this.breakOffUnlessWhole(violation)
      else if (isGone || ownHandlers === undefined || hasAnswer) this.breakOff(violation)
      else this.leaveToApplication(violation, ownHandlers, socket)
    } else if (isGone || hasAnswer) {
      socket.destroy()
    } else if (this.error === undefined) {
      this.source.inTurn(this.response, pass)
    }
  }

  /** Abandons the rest of the body if the answer has left since the last look and no consumer is still reading. */
  abandonIfAnswerSent (): boolean {
    return this.abandonIf(this.source.isAnswerOut(this.response))
  }

  /** Like `abandonIfAnswerSent()`, for a read that can't go on: a complete answer stands, even if it is still on its way. */
  override abandonIfAnswerBegun (): boolean {
    return this.abandonIfAnswerSent() || this.abandonIf(this.response.writableEnded)
  }

  onDump (): void {
    this.abandon()
  }

  override onAnswered (): void {
    this.abandon()
  }

  /** The answer was given without the rest of the body, so the read is over. */
  abandon ({ isAnswerOut } = { isAnswerOut: this.source.isAnswerOut(this.response) }): void {
    if (this.#state === 'abandoned' || this.#state === 'done') return
    const isLast = this.#state === 'failed'
    if (!isLast) this.inContext(() => failRequest(this.raw, this.guard.recorder.error({ code: 'FST_READ_ABORTED' }, this.facts())))
    this.#state = 'abandoned'
    const { limits } = this.policy
    // Observing must not cut: no limit applies to the rest, and lingering is off because it has bounds. A body that failed in
    // spite of the mode was refused, and keeps its limits.
    if (limits.mode === 'observe' && !isLast) this.apply(unguarded)
    this.source.abandon(this.policy.limits.linger, { answer: isAnswerOut ? undefined : this.response, isLast })
  }

  private close (violation: Violation): FailedRead {
    // A body that ended while it was being refused stays `done`.
    if (this.isConsumed) this.#state = 'failed'
    const failed = this.guard.recorder.fail(violation, this.facts(), this.origin, this.reply)
    this.need().failure = failed
    // What the signal is told may destroy the request, which is still to be answered.
    keepConnection(this.raw)
    failExchange(this.raw, failed.error)
    this.source.onReadFailed(failed.error)
    return failed
  }

  private observes (violation: Violation): boolean {
    if (this.policy.limits.mode !== 'observe' || this.#state !== 'open') return this.passes
    this.#state = 'observed'
    this.inContext(() => this.guard.recorder.observe(violation, this.facts(), this.origin, this.reply))
    return true
  }

  private get origin (): ReadOrigin {
    return requestOrigin(this.raw, this.request, this.source.peer, this.guard.journal.log, this.source.sentOf(this.response))
  }

  protected get isClientServed (): boolean {
    const { response } = this
    return this.#state === 'open' && !response.writableEnded && this.source.isTakenSoFar(response)
  }

  /** Whether bytes go to the consumer. */
  private get isConsumed (): boolean {
    return this.#state === 'open' || this.passes
  }

  /** Whether breaking a rule no longer has an effect. */
  private get passes (): boolean {
    return this.#state === 'observed' || this.#state === 'passing'
  }

  /** Whether the answer has left, and the consumer has read what it wanted and takes no more. */
  private isLeftBehind (now: number): boolean {
    if (!this.isConsumed || !this.source.isAnswerOut(this.response) || !this.source.isHeldBack()) return false
    return this.limitRest().isPassed(this.received - this.raw.readableLength, now)
  }

  /**
   * Whether the guard has to close a connection whose client has ended its side. Node does so, but not after its parser has
   * refused bytes. An application that answers without the framework may never answer; and earlier answers that are still owed
   * are not waited for, because Node doesn't wait either.
   */
  private get isLeftAlone (): boolean {
    return this.source.isHalfClosed && (isHijacked(this.reply) || this.source.owesBefore(this.response))
  }

  /** Stops reading from a client that has sent too much, but not for long: a paused socket doesn't show that its client has gone. */
  private holdUntilAnswered (): void {
    this.limitRest()
    this.source.hold()
  }

  private endShort (cut: Violation | undefined): void {
    if (this.abandonIfAnswerBegun()) return
    if (cut !== undefined) this.onTruncated(cut)
    else this.fail({ code: 'FST_READ_LENGTH_MISMATCH' })
  }

  /**
   * A write that fails shows that the client has gone, perhaps while Node's parser is still in the middle of what came. The
   * rest of that is parsed first: a body that was sent whole is no failed read.
   */
  private breakOffUnlessWhole (violation: Violation): void {
    setImmediate(() => { if (this.isJudged) this.breakOff(violation) })
  }

  /** Node's parser has refused the body, and the application's own `clientErrorHandler` answers. */
  private leaveToApplication (violation: Violation, handlers: OwnClientErrorHandlers, socket: Socket): void {
    this.inContext(() => {
      const failed = this.close(violation)
      endAnsweredBody(this, failed, handlers.ask(failed.error, socket))
    })
  }

  /** Fails the consumer without a record: the one record has been written already. */
  private failUnrecorded (violation: Violation): void {
    const error = this.guard.recorder.error(violation, this.facts())
    tellStatus(this.response, error)
    this.inContext(() => failRequest(this.raw, error))
  }

  private abandonIf (isAnswered: boolean): boolean {
    const abandons = isAnswered && (this.#state === 'failed' || !isBeingRead(this.raw))
    if (abandons) this.abandon()
    return abandons
  }
}

export function bodyReadOf (raw: IncomingMessage): BodyRead | undefined {
  return sinkOf(raw) as BodyRead | undefined // bodies are the only sinks
}
