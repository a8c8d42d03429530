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
  /** The only transition from one read to the next. */
  become (read: ConnectionRead | undefined): void
  /** What seemed to be a head was the one stray CRLF that a request may have before it. */
  onStray (): void
  /** No longer ours: closed, or handed over. */
  release (): void
}
