import type { EventEmitter } from 'node:events'
import type { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { isSendInsideOnError, replaceSend, type Send } from '../node/fastify.js'
import { isBodyRefused } from '../node/response-internals.js'
import type { ReadError } from '../record/errors.js'
import { isMadeOf } from './wrapping-error.js'

/** Grace for a consumer that can't be told of the error and so won't answer, in milliseconds. */
const GRACE_DEAF_MS = 200
/** Grace for a consumer that was told and cleans up, and for a handler that does not read: both will answer. In milliseconds. */
const GRACE_MS = 2_000
/** How many times the grace an answer may take if it is held up on its way, e.g. in an `onSend` hook. */
const MOST_GRACES = 5

/**
 * Watches `reply.send` of a request whose body failed. It puts the read's error back where a consumer has replaced it: most wrap
 * it in an error of their own, and `@fastify/compress` writes another code and status on it. It drops everything that a handler
 * sends after the guard has answered.
 */
class ReplyTakeover {
  readonly #reply: FastifyReply
  readonly #error: ReadError
  readonly #send: Send
  /** Fields that the application may overwrite on the error. Without `stack`: reading it makes V8 format it, which is half the cost of a verdict. */
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

  /**
   * Whether an answer is on its way. An answer from a stream only counts once its head is out: the body that failed may be what
   * feeds the stream.
   */
  get hasBegun (): boolean {
    return this.#hasBegun
  }

  /** Whether the answer is made from the read's error. */
  get isOurs (): boolean {
    return this.#isOurs
  }

  /** Whether an answer is probably held up in a hook. Fastify does not tell, but the content type is set by then. */
  get isHeldUp (): boolean {
    return this.#reply.hasHeader('content-type')
  }

  /** Drops everything that is sent from now on, because another answer has been given. */
  drop (): void {
    this.#isOver = true
  }

  /** Answers with the read's error. */
  answer (): void {
    this.#isOver = true
    this.#hasBegun = true
    this.#isOurs = this.#sendUnlessHeldUp(this.#error)
  }

  #onSend (payload: unknown): FastifyReply {
    const error = this.#error
    const isWrapped = isMadeOf(payload, error, this.#reply.statusCode)
    // Once an answer has begun, the application's error handler may write on the error.
    if (!this.#hasBegun) Object.assign(error, this.#written)
    this.#hasBegun ||= !isStream(payload)
    // An error handler's answer is made from the error, and a hook may fail with the error while another answer is on its way.
    this.#isOurs ||= isWrapped || payload === error
    const own = isWrapped ? this.#replaced() : payload
    if (!this.#isOver) return this.#send(own)
    // Until the guard's answer has left, the caller may be the error handler, which may take its time.
    if (!this.#reply.raw.headersSent) this.#sendUnlessHeldUp(own)
    return this.#reply
  }

  /** The read's error, with its status if the reply has the 500 that Fastify gives to an error without a status. */
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

/** Makes every answer that is sent from now on agree with the read's error. */
export function takeOverReply (reply: FastifyReply, error: ReadError): ReplyTakeover {
  return new ReplyTakeover(reply, error)
}

function isStream (payload: unknown): payload is Readable {
  const { pipe, destroy } = (payload ?? {}) as Partial<Readable>
  return typeof pipe === 'function' && typeof destroy === 'function'
}

/**
 * Destroys a stream that a handler sends after its client has left, so that its resources are released. Fastify would log an
 * error of the application, with status 500.
 */
export function releaseLateStreams (reply: FastifyReply, error: ReadError): void {
  const send = replaceSend(reply, (payload) => {
    if (!isStream(payload)) return send(payload)
    payload.on('error', () => {}) // without a listener it would end the process
    payload.destroy(error)
    return reply
  })
}

interface OwedAnswer {
  /** Whether the consumer can't be told that the body failed. */
  readonly isDeaf: boolean
  /** Emits 'close' at the end of the exchange. */
  readonly end: EventEmitter
  /** Whether an answer has begun to leave. */
  readonly hasAnswer: () => boolean
  /** Whether an answer is on its way, but held up in an error handler or a hook. */
  readonly isHeldUp: () => boolean
  /** Answers in the application's place, or ends the exchange where it has to stay without an answer. */
  readonly answer: () => void
}

/**
 * Answers for the application if it has not answered within its grace. That answer passes the application's hooks, and may be held up
 * as well: it is asked for once more then. The timer does not keep the process alive: the socket does.
 */
export function answerAfterGrace ({ isDeaf, end, hasAnswer, isHeldUp, answer }: OwedAnswer): void {
  let graces = 0
  let isAsked = false
  const onGraceOver = (): void => {
    if (hasAnswer()) return
    const waits = isHeldUp() && ++graces < MOST_GRACES
    if (!waits) answer()
    if (waits || !isAsked) timer = setTimeout(onGraceOver, GRACE_MS).unref()
    isAsked ||= !waits
  }
  let timer = setTimeout(onGraceOver, isDeaf ? GRACE_DEAF_MS : GRACE_MS).unref()
  end.once('close', () => clearTimeout(timer))
}
