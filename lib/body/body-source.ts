import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { LingerOptions } from '../limits/options.js'
import { hasLeft, isAnswerOut } from '../node/internals.js'
import type { Peer } from '../record/abort-record.js'
import type { ReadError, Violation } from '../record/errors.js'

export interface AbandonedRest {
  readonly answer: ServerResponse | undefined
  readonly isLast: boolean
}

/** Where the bytes of a body come from: an HTTP/1 connection, an HTTP/2 stream, or `inject()`. What differs is a method here. */
export abstract class BodySource {
  abstract readonly protocol: 'http/1.1' | 'h2'

  /** The client, for as long as the record may need it. */
  abstract readonly peer: Peer

  /** What is closed when the client has gone, whatever becomes of its answers. */
  abstract readonly socket: Socket | undefined

  /** Bytes of a body that is all there already, though its consumer has not been given it. */
  get wholeBytes (): number | undefined {
    return undefined
  }

  /** Whether bytes are not read because the application has not taken what came. */
  abstract isHeldBack (): boolean

  /** Whether the client has ended its side, where a half-closed connection still stands. */
  get isHalfClosed (): boolean {
    return false
  }

  /** Whether an answer has to be given before this one. */
  owesBefore (_response: ServerResponse): boolean {
    return false
  }

  /** Why what looks like the end of the body is that of its source, if it is. */
  cutBy (): Violation | undefined {
    return undefined
  }

  /** Whether another owner answers on its connection by now. */
  isTaken (): boolean {
    return false
  }

  /** Bytes are no longer read: tells the read when that ends. */
  watchResume (): void {}

  /** Reads no more bytes, until the answer is out. */
  hold (): void {}

  /** The read has other limits than when it was looked at. */
  abstract onLimitsChanged (): void

  /** Bytes came that are thrown away. */
  onDiscarded (): void {}

  /**
   * The last byte was read.
   *
   * @param lastAnswer that of a body that failed, to which no other request follows
   */
  abstract onBodyEnd (lastAnswer?: ServerResponse): void

  /** Whether an answer can still be sent. */
  get canAnswer (): boolean {
    return true
  }

  /** Whether the rest of a body can be declined while its answer is still on its way. */
  get declinesEarly (): boolean {
    return false
  }

  /** What tells of the end of a response. */
  endOf (response: ServerResponse): ServerResponse | ServerHttp2Stream {
    return response
  }

  /** Whether an answer that is not at its end has begun to leave, and nothing of it waits to be taken. */
  isTakenSoFar (response: ServerResponse): boolean {
    return hasLeft(response) && response.writableLength === 0
  }

  /** Whether the whole answer was handed to the operating system. */
  isAnswerOut (response: ServerResponse): boolean {
    return isAnswerOut(response)
  }

  /**
   * Node reads nothing while earlier answers are not taken, and that time is the client's, unless it takes them: its body may
   * lie in the kernel. Since when it has been taking them, in counted milliseconds, where more have been taken at this look.
   */
  answersTakenSince (_now: number): number | undefined {
    return undefined
  }

  /** What was written so far is not of the response. */
  markResponse (): void {}

  /** Bytes of the response that the operating system has taken, where it has begun and they are counted. */
  sentOf (_response: ServerResponse): number | undefined {
    return undefined
  }

  /** Does something that may answer in the place of a response, when its turn comes: answers before it may be owed. */
  inTurn (_response: ServerResponse, act: () => void): void {
    act()
  }

  /** Says in the answer that no other request follows. */
  abstract announceClose (response: ServerResponse): void

  /** Has the request say that its client has gone, where Node would have said so. */
  markAborted (_raw: IncomingMessage): void {}

  /** The read failed. */
  onReadFailed (_error: ReadError): void {}

  /** The read failed, and an answer is to be given. */
  prepareAnswer (_response: ServerResponse, _linger: LingerOptions | false): void {}

  /**
   * Sends `100 Continue`, in turn.
   *
   * @param onSent called when the client can be expected to send
   */
  sendContinue (response: ServerResponse, onSent: () => void): void {
    response.writeContinue(onSent)
  }

  /**
   * The answer was given without the rest of the body.
   *
   * @param rest.answer where it has not left yet
   * @param rest.isLast whether it failed, so that no other request follows
   */
  abstract abandon (linger: LingerOptions | false, rest: AbandonedRest): void

  /** Whether it must not be cut before the event loop has turned. */
  get isDelivering (): boolean {
    return false
  }

  /** Ends the exchange, answered or not. */
  abstract cut (): void
}
