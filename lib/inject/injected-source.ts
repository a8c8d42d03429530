import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { BodyRead } from '../body/body-read.js'
import type { BodySource } from '../body/body-source.js'
import type { Guard } from '../guard.js'
import { isBeingRead, type GuardedRequest } from '../node/request-hooks.js'

interface InjectedRequest extends GuardedRequest {
  readonly _lightMyRequest?: { readonly payload?: unknown, readonly simulate: { readonly end?: boolean } }
}

/** The body of a request made by `inject()`: there is no connection. */
export class InjectedSource implements BodySource {
  readonly protocol = 'http/1.1'
  readonly #guard: Guard
  readonly #raw: GuardedRequest
  readonly #response: ServerResponse
  #read: BodyRead | undefined

  constructor (guard: Guard, raw: GuardedRequest, response: ServerResponse) {
    this.#guard = guard
    this.#raw = raw
    this.#response = response
  }

  watch (read: BodyRead): void {
    this.#read = read
    const { payload, simulate } = (this.#raw as InjectedRequest)._lightMyRequest ?? {}
    const stream = payload instanceof Readable ? payload : undefined
    // Any other comes whole, unless it is not to end: there is nothing to wait for.
    if (stream === undefined && simulate?.end !== false) return
    this.#guard.heartbeat.add(read)
    const left = (cause: Error): void => read.truncated({ code: 'FST_READ_ABORTED', cause })
    // A stream that fails is a client that leaves; heard of first, so that the consumer has it from us.
    stream?.prependListener('error', left)
    // With its answer, or without one, an injected request is over: nobody waits for the rest.
    const over = (): void => {
      stream?.off('error', left)
      this.ended()
    }
    this.#response.once('finish', over)
    this.#response.once('close', over)
  }

  /** light-my-request gives up the response of a request that fails; the answer is still to come. */
  answering (response: ServerResponse): void {
    const { destroy } = response
    response.destroy = (error?: Error) => response.writableEnded ? destroy.call(response, error) : response
  }

  isHeldBack (): boolean {
    // Only what is asked for is pushed.
    return this.#raw.readableLength > 0 || !isBeingRead(this.#raw)
  }

  watchResume (): void {}

  limitsChanged (): void {
    if (this.#read !== undefined) this.#guard.heartbeat.wake(this.#read)
  }

  discarded (): void {}

  ended (): void {
    if (this.#read !== undefined) this.#guard.heartbeat.delete(this.#read)
  }

  abandoned (): void {
    this.ended()
  }

  cutBy (): undefined {}

  cut (): void {
    this.ended()
    this.#response.destroy(this.#read?.error)
  }
}
