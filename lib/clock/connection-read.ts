import type { ServerResponse } from 'node:http'
import type { ClientErrorReport } from '../node/client-error.js'
import type { ConnectionPhase, Timed } from './watch-list.js'

/** The one thing that is read from a connection at a time. Events that a read does not care for pass it by. */
export abstract class ConnectionRead implements Timed {
  /** `undefined` where nothing is read that has a limit of ours. */
  abstract readonly phase: ConnectionPhase | undefined

  abstract look (now: number): number

  judge (_now: number): void {}

  /** Whether nothing that comes after it is a request. */
  get isLast (): boolean {
    return false
  }

  /** Whether what comes, or is about to, is a head section. */
  get isHead (): boolean {
    return false
  }

  /** Node tells of an error on the connection. */
  abstract onClientError (report: ClientErrorReport): void

  /** The answer may have been begun since the last look: if so, the read is abandoned. */
  abandonIfAnswerBegun (): boolean {
    return false
  }

  /** Bytes came that are thrown away. */
  onDiscarded (): void {}

  /** The socket is gone, and no error told why. */
  onLost (): void {}

  /** A request was completed after the last one to be handled. */
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

  /** The application works, and the client waits for it: the time is not the client's until `onResume`. */
  onApplicationWaitedFor (): void {}
}
