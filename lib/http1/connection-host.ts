import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ConnectionRead } from '../clock/connection-read.js'
import type { GuardContext } from '../guard.js'
import type { Peer } from '../record/abort-record.js'

/** A connection, as seen by what is read from it. */
export interface ConnectionHost {
  readonly guard: GuardContext
  readonly socket: Socket
  readonly peer: Peer
  /** `socket.bytesRead` at the end of what was read last. */
  readonly bytes: number
  /** Its time runs other than when it was looked at. */
  wake (): void
  /** Bytes that were handed to the operating system before the response under way. */
  readonly written: number
  /** It is the turn of a response that was queued. */
  onTurn (response: ServerResponse): void
  /** Its last answer was given, or is about to be: nothing that still comes is a request. */
  readonly isOver: boolean
  /** As of a body's source. */
  answersTakenSince (now: number): number | undefined
  /** The only transition from one read to the next. */
  become (read: ConnectionRead | undefined): void
  /** A head begins. */
  beginHead (now: number, options: { readonly mayBeStray: boolean }): ConnectionRead
  /** What seemed to be a head was the one stray CRLF that a request may have before it. */
  onStray (): void
  /** What seemed to be a head came behind a request that said that it was the last. */
  onBehindLast (): void
  /** What was being read has been read. */
  rest (): void
  /** No longer ours: closed, or handed over. */
  release (): void
}
