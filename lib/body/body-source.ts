import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Peer } from '../record/abort-record.js'
import type { Violation } from '../record/errors.js'
import type { LingerOptions } from '../limits/resolve.js'

/** Where the bytes of a body come from: an HTTP/1 connection, an HTTP/2 stream, or `inject()`. */
export interface BodySource {
  readonly protocol: 'http/1.1' | 'h2'
  /** What is closed when the client has gone, whatever becomes of its answers. */
  readonly socket?: Socket
  /** Whose it is, where the request does not know it to the end. */
  readonly peer?: Peer | undefined
  /** Whether bytes are not read because the application has not taken what came. */
  isHeldBack (): boolean
  /** Why what looks like the end of the body is that of its source, if it is. */
  cutBy (): Violation | undefined
  /** Whether somebody else answers on its connection by now. */
  isTaken? (): boolean
  /** Bytes are no longer read: tells the read when that ends. */
  watchResume (): void
  /** The read has other limits than when it was looked at. */
  limitsChanged (): void
  /** Bytes came that nobody is to see. */
  discarded (): void
  /** The last byte was read. */
  ended (): void
  /** The read failed, and an answer is to be given. */
  answering? (response: ServerResponse, linger: LingerOptions | false): void
  /**
   * The answer was given without the rest.
   *
   * @param answer where it has not left yet
   */
  abandoned (linger: LingerOptions | false, answer?: ServerResponse): void
  /** Whether it must not be cut before the event loop has turned. */
  readonly isDelivering?: boolean
  /** Ends the exchange, answered or not. */
  cut (): void
}
