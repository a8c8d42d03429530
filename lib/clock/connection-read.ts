import type { ServerResponse } from 'node:http'
import type { ClientErrorReport } from '../node/client-error.js'
import type { ConnectionPhase, Timed } from './watch-list.js'

/** What is being read from a connection, one thing at a time. A read only implements the events that matter to it. */
export abstract class ConnectionRead implements Timed {
  /** `undefined` if what is being read has no limit of ours. */
  abstract readonly phase: ConnectionPhase | undefined

  abstract look (now: number): number

  judge (_now: number): void {}

  /** Whether nothing that follows it is a request. */
  get isLast (): boolean {
    return false
  }

  /** Whether a head section is coming, or expected next. */
  get isHead (): boolean {
    return false
  }

  /** Node reports an error on the connection. */
  abstract onClientError (report: ClientErrorReport): void

  /** Abandons the read if its answer has begun since the last look. Returns whether it did. */
  abandonIfAnswerBegun (): boolean {
    return false
  }

  /** Bytes came that are thrown away. */
  onDiscarded (): void {}

  /** The socket is gone, and no error said why. */
  onLost (): void {}

  /** A request came that is behind the last one to be handled. */
  onLateRequest (_response: ServerResponse): void {}

  /** Its answer has been given. */
  onAnswered (): void {}

  /** The answer that was given, or one before it, said that it is the connection's last. */
  onLastAnswered (): void {
    this.onAnswered()
  }

  /** Node is about to close. Returns whether the read closes instead, when the rest has come. */
  halfClose (): boolean {
    return false
  }

  /** The application takes bytes again. */
  onResume (): void {}

  /** The client waits for the application. Until `onResume()`, time doesn't count against the client. */
  onApplicationWaitedFor (): void {}
}
