import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ConnectionRead } from '../clock/connection-read.js'
import type { GuardContext } from '../guard.js'
import type { Peer } from '../record/abort-record.js'

/** A connection, as seen by the read that is under way on it. */
export interface ConnectionHost {
  readonly guard: GuardContext
  readonly socket: Socket
  readonly peer: Peer
  /** `socket.bytesRead` at the end of what was read last. */
  readonly bytes: number
  /** It may run out of time earlier than its last look said. */
  wake (): void
  /** Bytes that were handed to the operating system before the response under way. */
  readonly written: number
  /** It is the turn of a response that was queued. */
  onTurn (response: ServerResponse): void
  /** Its last answer was given, or is about to be: nothing that still comes is a request. */
  readonly isOver: boolean
  /** See `BodySource.answersTakenSince()`. */
  answersTakenSince (now: number): number | undefined
  /** The only transition from one read to the next. */
  become (read: ConnectionRead | undefined): void
  /** A head begins. */
  beginHead (now: number, options: { readonly mayBeStray: boolean }): ConnectionRead
  /** What seemed to be a head was the one stray CRLF that a request may have before it. */
  onStray (): void
  /** What seemed to be a head follows a request that said it was the last (`Connection: close`). */
  onBehindLast (): void
  /** The read is complete, and nothing is being read now. */
  rest (): void
  /** The connection is no longer the guard's: it is closed, or handed over. */
  release (): void
}
