import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { AnswerDeadline } from '../answer/answer-deadline.js'
import { ReadClock } from '../clock/read-clock.js'
import { NOT_WATCHED, type ConnectionPhase, type Watched } from '../clock/watch-list.js'
import type { GuardContext } from '../guard.js'
import { headExpiry } from '../limits/expiry.js'
import { socketOfSession } from '../node/session-internals.js'
import { bytesBeingWritten, bytesHandedOver, bytesTaken } from '../node/socket-internals.js'
import { refuseSafely } from '../node/refused-streams.js'
import { peerOf, unrouted, type Peer, type ReadOrigin } from '../record/abort-record.js'
import { clientGone, readFacts, untimedFacts, type ReadFacts, type Violation } from '../record/errors.js'
import { SessionHealth } from './health.js'
import { OpenStreams } from './open-streams.js'
import { isProtocolError, protocolError } from './protocol-error.js'
import type { ResponseSession, StreamResponse } from './stream-response.js'

const kSession = Symbol('fastify-read-guard.session')

/** Sizes of the frames that answer a PING and SETTINGS, in bytes. */
const PING_ACK = 17
const SETTINGS_ACK = 9
/** Size of a RST_STREAM, in bytes. */
const RESET = 13

interface GuardedSession extends ServerHttp2Session {
  [kSession]?: SessionRead
}

/**
 * The head sections of one HTTP/2 session: its preface up to the client's SETTINGS, and each header block until its
 * stream is dispatched. Only nghttp2's count of the streams it has seen shows that a block has begun. A session
 * without requests is left to the framework's own `http2SessionTimeout`.
 */
export class SessionRead implements Watched, ResponseSession {
  index = NOT_WATCHED
  readonly #guard: GuardContext
  readonly #session: ServerHttp2Session
  readonly #socket: Socket
  readonly peer: Peer
  readonly #health: SessionHealth
  /** `undefined` while no header section is under way. */
  #clock: ReadClock | undefined
  /** The last stream whose header block is known to be over. */
  #dispatched = 0
  #bytes = 0
  /** `bytesRead` when the header section began. */
  #base = 0
  #error: Error | undefined
  /** The error with which nghttp2 ended the session, if the record of a stream already blames the client for it. */
  #recordedError: Error | undefined
  readonly #open = new OpenStreams()
  #failedReads = 0
  /** Bytes of frames that are no part of a response, some of which have not left yet. */
  #controlBytes = 0
  #dataTaken = 0
  /** `bytesRead` when the last read failed. */
  #bytesAtFailure = 0
  /** Runs once nothing more can come of the session. */
  #deadline: AnswerDeadline | undefined

  constructor (guard: GuardContext, session: GuardedSession) {
    this.#guard = guard
    this.#session = session
    session[kSession] = this
    this.#socket = socketOfSession(session)
    this.#socket.once('close', () => this.#onClose())
    this.#socket.once('end', () => this.#sample(guard.heartbeat.now()))
    this.peer = peerOf(this.#socket, 'h2')
    this.#health = new SessionHealth(session, this.#socket)
    this.#clock = this.#newClock(guard.heartbeat.now())
    session.once('remoteSettings', () => this.#onHeadOver(0))
    session.on('stream', (stream: ServerHttp2Stream) => this.#onStream(stream))
    session.once('error', (error: Error) => { this.#error = error })
    // A client can ask for these frames without taking anything of its responses.
    session.on('ping', () => { this.#controlBytes += PING_ACK })
    session.on('remoteSettings', () => { this.#controlBytes += SETTINGS_ACK })
    guard.heartbeat.add(this)
    guard.heartbeat.hold()
  }

  /** The record of a stream blames the client for the error, so the session doesn't record it again. */
  markRecorded (error: Error): void {
    this.#recordedError = error
  }

  /** A read of one of its streams failed, and its client hasn't left. A session may have `maxFailedReads` of these. */
  onReadFailed (): void {
    this.#bytesAtFailure = this.#socket.bytesRead
    if (++this.#failedReads === this.#guard.options.maxFailedReads) this.#session.close()
  }

  get guard (): GuardContext {
    return this.#guard
  }

  get responding (): number {
    return this.#open.responding
  }

  /** A request is on its way to the application. */
  onDispatched (stream: ServerHttp2Stream, response: ServerResponse): void {
    this.#open.enter(this, stream).onDispatched(response)
  }

  onStreamClosed (response: StreamResponse): boolean {
    return this.#open.delete(response)
  }

  get dataHandedOver (): number {
    return bytesHandedOver(this.#socket) - this.#controlBytes
  }

  get dataTaken (): number {
    this.#dataTaken = Math.max(this.#dataTaken, bytesTaken(this.#socket) - this.#controlBytes)
    return this.#dataTaken
  }

  get openStreams (): number {
    return this.#open.count
  }

  get streams (): number {
    return this.#open.added
  }

  /** The guard resets one of its streams: the frame isn't part of what the client takes of its responses. */
  onReset (): void {
    this.#controlBytes += RESET
  }

  get cause (): Error | undefined {
    return this.#error ?? this.#socket.errored ?? undefined
  }

  get isEndedHere (): boolean {
    return this.#session.destroyed && this.cause === undefined && !this.#socket.readableEnded
  }

  get phase (): ConnectionPhase | undefined {
    if (this.#isDrained) return 'lingering'
    return this.#clock === undefined ? undefined : 'headers'
  }

  look (now: number): number {
    const { closing } = this.#guard
    // From Node 24 on, closing the server does this. Before, a client that is never silent would keep the server from closing.
    if (closing) this.#session.close()
    this.#sample(now)
    if (this.#health.isTerminated(now, closing || this.#open.count > 0)) this.#onTerminated()
    if (this.#isDrained) return this.#isLingerOver(now) ? 0 : Infinity
    const remaining = Math.min(this.#open.look(now), this.#clock?.remaining(now) ?? Infinity, this.#guard.options.headSampling)
    return closing && this.#open.count > 0 ? 0 : remaining
  }

  judge (now: number): void {
    if (this.#isDrained) {
      if (this.#isLingerOver(now)) this.#endLinger()
      return
    }
    this.#open.judge(now)
    const { closing, options } = this.#guard
    if (closing) this.#controlBytes += RESET * this.#open.hurry(this.dataTaken, options.policy.limits.linger, now)
    this.#sample(now)
    const expiry = this.#clock?.expired(now)
    if (expiry !== undefined) this.#end(headExpiry(expiry, options))
  }

  #newClock (now: number): ReadClock {
    const { options, heartbeat } = this.#guard
    return new ReadClock(options.headClock, now, heartbeat.lost)
  }

  #onStream (stream: ServerHttp2Stream): void {
    refuseSafely(stream)
    this.#open.enter(this, stream)
    this.#onHeadOver(stream.id ?? 0)
  }

  /** Whether nothing more can come of the session. */
  get #isDrained (): boolean {
    return this.#session.destroyed || (this.#session.closed && this.#open.count === 0)
  }

  /** nghttp2 has ended the session, and Node was not told why. */
  #onTerminated (): void {
    const error = protocolError()
    this.#error = error
    // If a read has failed since, because no more bytes came, it has the record.
    if (this.#bytesAtFailure === this.#socket.bytesRead) this.markRecorded(error)
    this.#session.destroy(error)
  }

  #onHeadOver (stream: number): void {
    this.#dispatched = Math.max(this.#dispatched, stream)
    this.#clock = undefined
    this.#guard.heartbeat.wake(this)
  }

  #sample (now: number): void {
    const { bytesRead } = this.#socket
    const arrived = bytesRead - this.#bytes
    if (arrived === 0) return
    this.#bytes = bytesRead
    this.#health.onBytes(now)
    // Other frames leave no trace: if nghttp2 has seen a stream that Node wasn't told of, its header block is under way.
    const { lastProcStreamID = 0 } = this.#session.state
    if (this.#clock === undefined && lastProcStreamID > this.#dispatched && !this.#session.closed) this.#begin(lastProcStreamID, bytesRead - arrived, now)
    this.#clock?.arrive(bytesRead - this.#base - this.#clock.received, now)
  }

  /**
   * A header block seems to be under way, unless nghttp2 has silently refused the stream. A PING tells the two apart: nothing
   * may come in the middle of a block (RFC 9113 §6.10), so an answer to the PING means that none is under way.
   */
  #begin (stream: number, base: number, now: number): void {
    const clock = this.#newClock(now)
    this.#clock = clock
    this.#base = base
    this.#session.ping((error) => {
      if (error == null && this.#clock === clock) this.#onHeadOver(stream)
    })
  }

  #end (violation: Violation): void {
    const session = this.#session
    const isFirst = this.#dispatched === 0
    if (this.#guard.options.policy.limits.mode === 'observe') {
      this.#guard.recorder.observe(violation, this.#facts(), this.#origin)
      this.#onHeadOver(session.state.lastProcStreamID ?? 0)
      return
    }
    this.#record(violation)
    this.#onHeadOver(session.state.lastProcStreamID ?? 0)
    // There is no stream to answer on. Those that are under way can still be answered: the session closes after them.
    if (isFirst) session.destroy()
    else session.close()
  }

  #record (violation: Violation): void {
    this.#guard.recorder.fail(violation, this.#facts(), this.#origin).write(false)
  }

  #facts (): ReadFacts {
    const clock = this.#clock
    if (clock === undefined) return untimedFacts('headers', undefined, this.#socket.bytesRead)
    return readFacts('headers', undefined, clock.received, clock, this.#guard.heartbeat)
  }

  get #origin (): ReadOrigin {
    return { ...unrouted, ...this.peer }
  }

  /**
   * Whether the wait is over. Node itself waits for the client to take what was written and to close its side, and may keep a
   * session whose client doesn't finish a header block.
   */
  #isLingerOver (now: number): boolean {
    const { linger } = this.#guard.options.policy.limits
    const isOut = bytesBeingWritten(this.#socket) === 0 && (!this.#session.destroyed || this.#socket.writableFinished)
    this.#deadline ??= new AnswerDeadline(linger)
    return (isOut && linger === false) || this.#deadline.isPassed(this.dataTaken, now)
  }

  #endLinger (): void {
    this.#deadline = undefined
    if (this.#session.destroyed) this.#socket.destroy()
    else this.#session.destroy()
  }

  #onClose (): void {
    this.#guard.heartbeat.delete(this)
    this.#guard.heartbeat.release()
    const cause: Error | undefined = this.#error ?? this.#socket.errored ?? undefined
    if (isProtocolError(cause)) {
      if (cause !== this.#recordedError) this.#record({ code: 'FST_READ_MALFORMED', detail: cause.message, cause })
    } else if (this.#clock !== undefined && (cause !== undefined || this.#socket.readableEnded)) {
      this.#record(clientGone(cause))
    }
  }
}

/** The session of a stream. A destroyed stream has forgotten its session. */
export function sessionOf ({ session }: ServerHttp2Stream): SessionRead | undefined {
  return (session as GuardedSession | undefined)?.[kSession]
}
