import { AsyncResource } from 'node:async_hooks'
import { setMaxListeners } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { RoutePolicy } from '../limits/resolve.js'
import type { ReadError } from '../record/errors.js'

/*
 * What is known of an exchange beside its body. For most exchanges that is nothing: nothing is kept before it is asked for, or
 * before something fails.
 */

const failures = new WeakMap<IncomingMessage, ReadError>()
const controllers = new WeakMap<IncomingMessage, AbortController>()
const policies = new WeakMap<IncomingMessage, RoutePolicy>()

/** Why an exchange failed, if it did. */
export function failureOf (raw: IncomingMessage): ReadError | undefined {
  return failures.get(raw)
}

/** Marks an exchange as failed, in any phase, and aborts its signal. */
export function failExchange (raw: IncomingMessage, error: ReadError): void {
  if (failures.has(raw)) return
  failures.set(raw, error)
  controllers.get(raw)?.abort(error)
}

/** The signal that is aborted when the exchange fails, and never after it has succeeded. */
export function signalOf (raw: IncomingMessage): AbortSignal {
  const known = controllers.get(raw)
  if (known !== undefined) return known.signal
  const controller = new AbortController()
  // Every query and fetch of a handler may add a listener.
  setMaxListeners(0, controller.signal)
  controllers.set(raw, controller)
  const failure = failures.get(raw)
  if (failure !== undefined) controller.abort(failure)
  return controller.signal
}

/** Limits that the application has set for this one exchange, if any. */
export function ownPolicyOf (raw: IncomingMessage): RoutePolicy | undefined {
  return policies.get(raw)
}

export function setOwnPolicy (raw: IncomingMessage, policy: RoutePolicy): void {
  policies.set(raw, policy)
}

const contextOptions = { requireManualDestroy: true } as const

/** Keeps the current async context (`AsyncLocalStorage`, tracing): failures are noticed in that of a timer or a socket. */
export function ownContext (): AsyncResource {
  return new AsyncResource('FastifyReadGuard', contextOptions)
}

const kContext = Symbol('fastify-read-guard.context')

interface RequestWithContext extends IncomingMessage {
  [kContext]?: AsyncResource
}

/** Keeps the async context of a request without a body. For a request with a body, its read does so. */
export function keepContext (raw: RequestWithContext): void {
  raw[kContext] = ownContext()
}

/** Runs `act` in the context that was kept, if one was. */
export function inContextOf (raw: RequestWithContext, act: () => void): void {
  const context = raw[kContext]
  if (context === undefined) act()
  else context.runInAsyncScope(act)
}
