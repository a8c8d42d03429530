import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ReadGuardRouteOptions, ReadLimits } from '../limits/options.js'
import { mergeLimits, type RoutePolicy } from '../limits/resolve.js'
import { replyTo } from '../node/fastify-replies.js'
import { hasBegun } from '../node/response-internals.js'
import { keepContext, ownPolicyOf, setOwnPolicy, signalOf } from '../response/exchange.js'
import type { BodyRead } from './body-read.js'
import type { RequestReadGuard } from './request-read-guard.js'

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
