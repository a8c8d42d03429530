import type { ServerResponse } from 'node:http'
import type { ConnectionPhase, Timed } from './watch-list.js'

/** The one thing that can be read from a connection at a time. */
export interface ConnectionRead extends Timed {
  readonly phase: ConnectionPhase
  /** Whether nothing that comes after it is a request. */
  readonly last?: boolean
  /** The socket is gone, and nobody said why. */
  lost? (): void
  /** A request was completed after its answer was given, or refused: nobody is to see it. */
  tooLate? (response: ServerResponse): void
  /** The answer was given without the rest of it. */
  abandon? (): void
  /** The client has ended its side. */
  clientEnded? (): void
  /** The application takes bytes again. */
  resumed? (): void
}
