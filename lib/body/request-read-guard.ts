import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { replyTo } from '../node/fastify-replies.js'
import { hasBegun } from '../node/response-internals.js'
import { keepContext, ownPolicyOf, setOwnPolicy, signalOf } from '../response/exchange.js'
import type { BodyRead } from './body-read.js'
import type { ReadGuardRouteOptions, ReadLimits } from '../limits/options.js'
import { mergeLimits, type RoutePolicy } from '../limits/resolve.js'

/** One exchange, as the application sees it: `request.readGuard`. */
export interface RequestReadGuard {
  /**
   * `'body'` while the body is being read, then `'handler'` until the response begins, then `'response'`; `undefined` once
   * the exchange is over.
   */
  readonly phase: 'body' | 'handler' | 'response' | undefined
  /** Body bytes received so far, as sent. */
  readonly received: number
  /** Body bytes declared by `Content-Length`; `undefined` if none was declared. */
  readonly expected: number | undefined
  /** Milliseconds since the request was dispatched, counting the client's time only. */
  readonly elapsed: number
  /** Milliseconds that were not counted: back-pressure, a blocked event loop, the wait for `100 Continue`. */
  readonly paused: number
  /** The limits in force. */
  readonly limits: ReadLimits
  /**
   * Changes the limits of this one exchange from now on; those you don't name stay. Elapsed time still counts against a
   * new `bodyTimeout`; a new `minBodyRate` or `minResponseRate` starts with a full grace period.
   *
   * @throws FST_READ_OPTIONS_INVALID if a value is wrong
   */
  setLimits (changes: ReadGuardRouteOptions): void
  /**
   * Aborted when this exchange fails in any phase, with the `ReadError` as its reason: a limit ran out, or the client left,
   * even while the handler was working or the response was on its way. Never aborted after the exchange has succeeded.
   * Costs nothing until you use it.
   */
  readonly signal: AbortSignal
}

function phaseOf (reply: FastifyReply | undefined): RequestReadGuard['phase'] {
  const response = reply?.raw
  if (response === undefined || response.writableFinished || response.destroyed) return undefined
  return hasBegun(response) ? 'response' : 'handler'
}

class BodyReadGuard implements RequestReadGuard {
  readonly #read: BodyRead

  constructor (read: BodyRead) {
    this.#read = read
  }

  get phase (): RequestReadGuard['phase'] { return this.#read.isUnderWay ? 'body' : phaseOf(this.#read.reply) }
  get received (): number { return this.#read.received }
  get expected (): number | undefined { return this.#read.expected }
  get elapsed (): number { return this.#read.facts().elapsed }
  get paused (): number { return this.#read.facts().paused }
  get limits (): ReadLimits { return this.#read.policy.limits }
  get signal (): AbortSignal { return signalOf(this.#read.raw) }

  setLimits (changes: ReadGuardRouteOptions): void {
    const policy = mergeLimits(this.#read.policy, changes)
    setOwnPolicy(this.#read.raw, policy)
    this.#read.setPolicy(policy)
  }
}

class NoBodyReadGuard implements RequestReadGuard {
  readonly received = 0
  readonly expected = undefined
  readonly elapsed = 0
  readonly paused = 0
  readonly #request: FastifyRequest
  readonly #policy: RoutePolicy

  constructor (request: FastifyRequest, policy: RoutePolicy) {
    this.#request = request
    this.#policy = policy
  }

  get #raw (): IncomingMessage { return this.#request.raw }
  get phase (): RequestReadGuard['phase'] { return phaseOf(replyTo(this.#request)) }
  get limits (): ReadLimits { return (ownPolicyOf(this.#raw) ?? this.#policy).limits }
  get signal (): AbortSignal {
    // The signal's listeners run in the handler's async context.
    keepContext(this.#raw)
    return signalOf(this.#raw)
  }

  setLimits (changes: ReadGuardRouteOptions): void {
    setOwnPolicy(this.#raw, mergeLimits(ownPolicyOf(this.#raw) ?? this.#policy, changes))
  }
}

export function requestReadGuard (request: FastifyRequest, read: BodyRead | undefined, policy: RoutePolicy): RequestReadGuard {
  return read === undefined ? new NoBodyReadGuard(request, policy) : new BodyReadGuard(read)
}
