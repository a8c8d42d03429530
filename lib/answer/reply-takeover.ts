import type { FastifyReply } from 'fastify'
import type { ReadError } from '../record/errors.js'

/** `@fastify/reply-from` turns a body that failed into an error of its own, with ours as the cause. */
function isProxyError (payload: unknown, error: ReadError): boolean {
  return payload instanceof Error && payload.cause === error && String((payload as { code?: unknown }).code).startsWith('FST_REPLY_FROM_')
}

/** An answer, the application's or our own, to a request whose body failed. Drops what a handler sends after ours went out. */
export class Answering {
  begun = false
  /** Whether the answer is made from the read's error. */
  tells = false
  #over = false
  readonly #send: (payload?: unknown) => FastifyReply

  constructor (reply: FastifyReply, readonly error: ReadError) {
    // Not all of it: to copy the stack is to have it written out, which takes as long as half of the verdict.
    const { code, statusCode, message } = error
    this.#send = reply.send.bind(reply)
    reply.send = (payload?: unknown) => {
      if (!this.begun) {
        // Later it is the application's own error handler that writes.
        Object.assign(error, { code, statusCode, message })
        this.tells = payload === error || isProxyError(payload, error)
      }
      this.begun = true
      const own = isProxyError(payload, error) ? error : payload
      return this.#over ? this.#sendAfterOurs(reply, own) : this.#send(own)
    }
  }

  /** Another answer has been given: whatever is sent now is dropped. */
  drop (): void {
    this.#over = true
  }

  answer (): void {
    this.#over = true
    this.begun = true
    this.tells = this.#sendUnlessHeldUp(this.error)
  }

  /** Until the answer has left it may be the error handler that sends, which is free to take its time. */
  #sendAfterOurs (reply: FastifyReply, payload: unknown): FastifyReply {
    if (!reply.raw.headersSent) this.#sendUnlessHeldUp(payload)
    return reply
  }

  /** Fastify throws while an error that was sent before is held up in an `onError` hook: that one is the answer. */
  #sendUnlessHeldUp (payload: unknown): boolean {
    try {
      this.#send(payload)
      return true
    } catch (error) {
      if ((error as { code?: string }).code === 'FST_ERR_SEND_INSIDE_ONERR') return false
      throw error
    }
  }
}

/**
 * Puts the read's own error in the place of what a consumer makes of it: proxies give one of their own, and
 * `@fastify/compress` writes another code and status on ours.
 */
export function putInPlace (reply: FastifyReply, error: ReadError): Answering {
  return new Answering(reply, error)
}
