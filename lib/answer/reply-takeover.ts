import type { EventEmitter } from 'node:events'
import type { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { isSendInsideOnError, replaceSend, type Send } from '../node/fastify.js'
import { isBodyRefused } from '../node/internals.js'
import type { ReadError } from '../record/errors.js'
import { isMadeOf } from './wrapping-error.js'

/** Grace for a consumer that can't hear an error: it will not answer. In milliseconds. */
const GRACE_DEAF_MS = 200
/** Grace for a consumer that was told and cleans up, and for a handler that does not read: both have an answer of their own. In milliseconds. */
const GRACE_MS = 2_000
/** How many graces an answer may take that is held up on its way, for example in an `onSend` hook. */
const MOST_GRACES = 5

/**
 * The answer, the application's or our own, to a request whose body failed, by way of `reply.send`. Puts the read's own
 * error in the place of what a consumer makes of it: most wrap it in one of their own, and `@fastify/compress` writes
 * another code and status on it. Drops what a handler sends after our own answer.
 */
class ReplyTakeover {
  readonly #reply: FastifyReply
  readonly #error: ReadError
  readonly #send: Send
  /** Fields that the application may write on the error. Not `stack`: reading it makes V8 format it, half the cost of a verdict. */
  readonly #written: { readonly code: string, readonly statusCode: number | undefined, readonly message: string }
  #hasBegun = false
  #isOurs = false
  #isOver = false

  constructor (reply: FastifyReply, error: ReadError) {
    const { code, statusCode, message } = error
    this.#reply = reply
    this.#error = error
    this.#written = { code, statusCode, message }
    this.#send = replaceSend(reply, (payload) => this.#onSend(payload))
  }

  /** Whether an answer is on its way. */
  get hasBegun (): boolean {
    return this.#hasBegun
  }

  /** Whether the answer is made from the read's error. */
  get isOurs (): boolean {
    return this.#isOurs
  }

  /** Whether an answer seems to be held up in a hook: nothing says so, but its type is named by then. */
  get isHeldUp (): boolean {
    return this.#reply.hasHeader('content-type')
  }

  /** Another answer has been given: what is sent from now on is dropped. */
  drop (): void {
    this.#isOver = true
  }

  /** Gives our own answer. */
  answer (): void {
    this.#isOver = true
    this.#hasBegun = true
    this.#isOurs = this.#sendUnlessHeldUp(this.#error)
  }

  #onSend (payload: unknown): FastifyReply {
    const error = this.#error
    const isWrapped = isMadeOf(payload, error, this.#reply.statusCode)
    // Later it is the application's own error handler that writes.
    if (!this.#hasBegun) Object.assign(error, this.#written)
    this.#hasBegun = true
    // What an error handler makes of it is made from it, and a hook may fail with it when another answer is on its way.
    this.#isOurs ||= isWrapped || payload === error
    const own = isWrapped ? this.#replaced() : payload
    if (!this.#isOver) return this.#send(own)
    // Until our answer has left it may be the error handler that sends, which is free to take its time.
    if (!this.#reply.raw.headersSent) this.#sendUnlessHeldUp(own)
    return this.#reply
  }

  /** The read's error, with its status where Fastify has given the reply that of an error without one. */
  #replaced (): ReadError {
    if (this.#reply.statusCode === 500) this.#reply.code(this.#error.statusCode ?? 500)
    return this.#error
  }

  #sendUnlessHeldUp (payload: unknown): boolean {
    try {
      this.#send(payload)
      return true
    } catch (error) {
      if (isSendInsideOnError(error)) return false
      if (!isBodyRefused(error)) throw error
      this.#reply.raw.end()
      return true
    }
  }
}

/** What is sent from now on goes by the read's error. */
export function takeOverReply (reply: FastifyReply, error: ReadError): ReplyTakeover {
  return new ReplyTakeover(reply, error)
}

function isStream (payload: unknown): payload is Readable {
  const { pipe, destroy } = (payload ?? {}) as Partial<Readable>
  return typeof pipe === 'function' && typeof destroy === 'function'
}

/**
 * A stream that a handler sends after its client has left is destroyed with the read's error, so that what is behind it is
 * released: Fastify would log an error of the application's, with status 500. Anything else costs nothing.
 */
export function releaseLateStreams (reply: FastifyReply, error: ReadError): void {
  const send = replaceSend(reply, (payload) => {
    if (!isStream(payload)) return send(payload)
    payload.on('error', () => {}) // it may have no listener, and would end the process
    payload.destroy(error)
    return reply
  })
}

interface OwedAnswer {
  /** Whether the consumer can't hear that the body failed. */
  readonly isDeaf: boolean
  /** What tells of the end of the exchange. */
  readonly end: EventEmitter
  readonly hasAnswer: () => boolean
  /** Whether an answer is on its way that is held up in a hook. */
  readonly isHeldUp: () => boolean
  /** Answers in the application's place. */
  readonly answer: () => void
}

/** Answers for the application when its grace is over and it has given no answer. No process is kept for it: a connection is, by its socket. */
export function answerAfterGrace ({ isDeaf, end, hasAnswer, isHeldUp, answer }: OwedAnswer): void {
  let graces = 0
  const onGraceOver = (): void => {
    if (hasAnswer()) return
    if (!isDeaf && isHeldUp() && ++graces < MOST_GRACES) timer = setTimeout(onGraceOver, GRACE_MS).unref()
    else answer()
  }
  let timer = setTimeout(onGraceOver, isDeaf ? GRACE_DEAF_MS : GRACE_MS).unref()
  end.once('close', () => clearTimeout(timer))
}
