import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { BodyRead } from '../body/body-read.js'
import { BodySource } from '../body/body-source.js'
import type { GuardContext } from '../guard.js'
import { checkDeclared, declaredLength } from '../limits/content-length.js'
import type { RoutePolicy } from '../limits/resolve.js'
import { injectedBody, isInjected } from '../node/fastify.js'
import type { GuardedRequest } from '../node/request-hooks.js'
import { hasBody, isBeingRead } from '../node/request-kind.js'
import { keepUntilAnswered } from '../node/response-hooks.js'
import { peerOf, type Peer } from '../record/abort-record.js'
import { clientGone } from '../record/errors.js'

/**
 * The body of a request without a connection of ours: one made by `inject()`, one that an adapter emits, or one that has come
 * whole while another listener kept it.
 */
class InjectedSource extends BodySource {
  readonly protocol = 'http/1.1'
  readonly #guard: GuardContext
  readonly #raw: GuardedRequest
  readonly #response: ServerResponse
  readonly #body: Readable | number | 'whole' | 'endless'
  #read: BodyRead | undefined

  constructor (guard: GuardContext, raw: GuardedRequest, response: ServerResponse) {
    super()
    this.#guard = guard
    this.#raw = raw
    this.#response = response
    this.#body = injectedBody(raw)
  }

  override get wholeBytes (): number | undefined {
    return typeof this.#body === 'number' ? this.#body : undefined
  }

  watch (read: BodyRead): void {
    this.#read = read
    const body = this.#body
    // There is nothing to wait for.
    if (typeof body === 'number' || body === 'whole') return
    this.#guard.heartbeat.add(read)
    const stream = body === 'endless' ? undefined : body
    const onGone = (cause: Error): void => read.onTruncated(clientGone(cause))
    // A stream that fails is a client that has gone; heard of first, so that the consumer has it from us.
    stream?.prependListener('error', onGone)
    // With its answer, or without one, an injected request is over: the rest is not waited for.
    const onOver = (): void => {
      stream?.off('error', onGone)
      this.onBodyEnd()
    }
    this.#response.once('finish', onOver)
    this.#response.once('close', onOver)
  }

  get socket (): undefined {
    return undefined
  }

  get peer (): Peer {
    return peerOf(this.#raw.socket)
  }

  override prepareAnswer (response: ServerResponse): void {
    if (isInjected(this.#raw)) keepUntilAnswered(response)
  }

  isHeldBack (): boolean {
    // Only what is asked for is pushed.
    return this.#raw.readableLength > 0 || !isBeingRead(this.#raw)
  }

  onLimitsChanged (): void {
    if (this.#read !== undefined) this.#guard.heartbeat.wake(this.#read)
  }

  onBodyEnd (): void {
    if (this.#read !== undefined) this.#guard.heartbeat.delete(this.#read)
  }

  /** The caller of `inject()` has its answer while a socket that leads nowhere still swallows it. */
  override isAnswerOut (response: ServerResponse): boolean {
    return response.writableEnded
  }

  override markAborted (raw: IncomingMessage): void {
    raw.aborted = true // eslint-disable-line @typescript-eslint/no-deprecated -- applications still ask
  }

  announceClose (response: ServerResponse): void {
    response.setHeader('Connection', 'close')
  }

  abandon (): void {
    this.onBodyEnd()
  }

  cut (): void {
    this.onBodyEnd()
    this.#response.destroy(this.#read?.error)
  }
}

/** Whether a body was injected whole, as it was declared, and within the limits of its route: no rule can be broken any more. */
export function hasNothingToJudge (raw: IncomingMessage, policy: RoutePolicy | false): boolean {
  if (!isInjected(raw) || !hasBody(raw)) return false
  const bytes = injectedBody(raw)
  const declared = declaredLength(raw.headers)
  return bytes === declared && (policy === false || checkDeclared(declared, policy.limits) === undefined)
}

/** Watches the body of a request without a connection. */
export function readInjectedBody (guard: GuardContext, raw: GuardedRequest, response: ServerResponse): BodyRead {
  const source = new InjectedSource(guard, raw, response)
  const read = new BodyRead(guard, source, raw, response, guard.options.policy)
  source.watch(read)
  return read
}
