import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { LingerOptions } from '../limits/options.js'
import { hasLeft, isAnswerOut } from '../node/response-internals.js'
import type { Peer } from '../record/abort-record.js'
import type { ReadError, Violation } from '../record/errors.js'

export interface AbandonedRest {
  readonly answer: ServerResponse | undefined
  readonly isLast: boolean
}

/** Where the bytes of a body come from: an HTTP/1 connection, an HTTP/2 stream, or `inject()`. Each difference is a method here. */
export abstract class BodySource {
  abstract readonly protocol: 'http/1.1' | 'h2'

  /** The client, for as long as the record may need it. */
  abstract readonly peer: Peer

  /** The socket that closes when the client has gone, whatever happens to its answers. */
  abstract readonly socket: Socket | undefined

  /** Length in bytes of a body that is already here as a whole, before its consumer gets any of it. */
  get wholeBytes (): number | undefined {
    return undefined
  }

  /** Whether reading has stopped because the application hasn't taken what came. */
  abstract isHeldBack (): boolean

  /** Whether the client has ended its side of a connection that is still open. */
  get isHalfClosed (): boolean {
    return false
  }

  /** Whether an answer has to be given before this one. */
  owesBefore (_response: ServerResponse): boolean {
    return false
  }

  /** Why the source ended, if what looks like the end of the body is only the end of its source. */
  cutBy (): Violation | undefined {
    return undefined
  }

  /** Whether another owner answers on its connection by now. */
  isTaken (): boolean {
    return false
  }

  /** Reading has stopped: tells the read when it goes on. */
  watchResume (): void {}

  /** Stops reading until the answer is out. */
  hold (): void {}

  /** The read's limits have changed since it was last looked at. */
  abstract onLimitsChanged (): void

  /** Bytes came that are thrown away. */
  onDiscarded (): void {}

  /**
   * The last byte was read.
   *
   * @param lastAnswer the answer to a body that failed, after which no other request follows
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

  /** The object that emits the end of a response. */
  endOf (response: ServerResponse): ServerResponse | ServerHttp2Stream {
    return response
  }

  /** Whether an unfinished answer has begun to leave, and nothing of it waits to be taken. */
  isTakenSoFar (response: ServerResponse): boolean {
    return hasLeft(response) && response.writableLength === 0
  }

  /** Whether the whole answer was handed to the operating system. */
  isAnswerOut (response: ServerResponse): boolean {
    return isAnswerOut(response)
  }

  /**
   * Node stops reading while earlier answers wait to be taken. That time counts against the client, except while it takes them:
   * its body may already be in the kernel. Returns since when the client has been taking them, in counted milliseconds, if this
   * look finds that it has taken more.
   */
  answersTakenSince (_now: number): number | undefined {
    return undefined
  }

  /** Nothing that was written so far belongs to the response. */
  markResponse (): void {}

  /** Bytes of the response that the operating system has taken, if the response has begun and they are counted. */
  sentOf (_response: ServerResponse): number | undefined {
    return undefined
  }

  /** Runs `act`, which may answer in place of the response, when it is that response's turn: earlier answers may still be owed. */
  inTurn (_response: ServerResponse, act: () => void): void {
    act()
  }

  /** Says in the answer that no other request follows. */
  abstract announceClose (response: ServerResponse): void

  /** Marks the request as aborted, as Node would have done. */
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
   * @param rest.answer the answer, if it hasn't left yet
   * @param rest.isLast whether the read failed, so that no other request follows
   */
  abstract abandon (linger: LingerOptions | false, rest: AbandonedRest): void

  /** Whether the exchange must not be cut before the next turn of the event loop. */
  get isDelivering (): boolean {
    return false
  }

  /** Ends the exchange, answered or not. */
  abstract cut (): void
}
