import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { replyTo } from '../node/fastify-replies.js'
import { hasBegun } from '../node/internals.js'
import { keepContext, ownPolicyOf, setOwnPolicy, signalOf } from '../response/exchange.js'
import type { BodyRead } from './body-read.js'
import type { ReadGuardRouteOptions, ReadLimits } from '../limits/options.js'
import { mergeLimits, type RoutePolicy } from '../limits/resolve.js'

/** One exchange, as the application sees it: `request.readGuard`. */
export interface RequestReadGuard {
  /**
   * `'body'` while the body is being read, then `'handler'` until the response begins, then `'response'`; `undefined` where
   * the exchange is over.
   */
  readonly phase: 'body' | 'handler' | 'response' | undefined
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
   * Changes the limits of this one exchange from now on; what is not named stays. Elapsed time still counts against a new
   * `bodyTimeout`; a new `minBodyRate` or `minResponseRate` starts with a full grace period.
   *
   * @throws FST_READ_OPTIONS_INVALID on a wrong value
   */
  setLimits (changes: ReadGuardRouteOptions): void
  /**
   * Is aborted when this exchange fails in any phase, with the `ReadError` as its reason: a limit is passed, or the client
   * has left, also while the handler works or the response is on its way. Never after the exchange has succeeded. It costs
   * nothing until it is asked for.
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
    // What listens to it is told in the context of the handler.
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
