import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { BodyRead } from './body-read.js'
import type { BodySource } from './body-source.js'
import type { Guard } from './guard.js'
import { isBeingRead, type GuardedRequest } from './incoming.js'

interface InjectedRequest extends GuardedRequest {
  readonly _lightMyRequest?: { readonly payload?: unknown }
}

/** The stream that is injected as a body; `undefined` where it is no stream. */
function payloadOf (raw: InjectedRequest): Readable | undefined {
  const payload = raw._lightMyRequest?.payload
  return payload instanceof Readable ? payload : undefined
}

/** The body of a request made by `inject()`: there is no connection. */
export class InjectedSource implements BodySource {
  readonly protocol = 'http/1.1'
  readonly #guard: Guard
  readonly #raw: GuardedRequest
  readonly #response: ServerResponse
  readonly #destroyResponse: (error?: Error) => void
  #read: BodyRead | undefined

  constructor (guard: Guard, raw: GuardedRequest, response: ServerResponse) {
    this.#guard = guard
    this.#raw = raw
    this.#response = response
    this.#destroyResponse = response.destroy.bind(response)
  }

  watch (read: BodyRead): void {
    this.#read = read
    this.#guard.heartbeat.add(read)
    const response = this.#response
    // light-my-request gives up the response of a request that fails; the answer is still to come.
    response.destroy = (error?: Error) => {
      if (read.error === undefined || response.writableEnded) this.#destroyResponse(error)
      return response
    }
    const payload = payloadOf(this.#raw)
    const left = (cause: Error): void => read.truncated({ code: 'FST_READ_ABORTED', cause })
    // A payload that fails is a client that leaves; heard of first, so that the consumer has it from us.
    payload?.prependListener('error', left)
    // With its answer, or without one, an injected request is over: nobody waits for the rest.
    const over = (): void => {
      payload?.off('error', left)
      this.ended()
    }
    response.once('finish', over)
    response.once('close', over)
  }

  isHeldBack (): boolean {
    // Only what is asked for is pushed.
    return this.#raw.readableLength > 0 || !isBeingRead(this.#raw)
  }

  watchResume (): void {}

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
    this.#destroyResponse(this.#read?.error)
  }
}
