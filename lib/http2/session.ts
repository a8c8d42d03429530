import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import { abortRecord, unrouted, type ReadOrigin } from '../record/abort-record.js'
import { readError, readFacts, type Violation } from '../record/errors.js'
import { headExpiry } from '../limits/expiry.js'
import type { Guard } from '../guard.js'
import { isProtocolError, wasTold } from './errors.js'
import { SessionHealth } from './health.js'
import { OpenStreams } from './open-streams.js'
import { rememberPeer } from './peer.js'
import { ReadClock } from '../clock/read-clock.js'
import { NOWHERE, type ConnectionPhase, type Watched } from '../clock/watch-list.js'

/**
 * The head sections of one HTTP/2 session: its preface up to the client's SETTINGS, and each header block until its
 * stream is dispatched. Nothing tells that a block has begun but nghttp2's count of the streams it has seen. A session
 * without requests is left to the framework's own `http2SessionTimeout`.
 */
export class SessionRead implements Watched {
  place = NOWHERE
  readonly #guard: Guard
  readonly #session: ServerHttp2Session
  readonly #socket: Socket
  readonly #origin: ReadOrigin
  readonly #health: SessionHealth
  /** `undefined` while no header section is under way. */
  #clock: ReadClock | undefined
  /** The last stream whose header block is known to be over. */
  #dispatched = 0
  #bytes = 0
  /** `bytesRead` when the header section began. */
  #base = 0
  #error: Error | undefined
  readonly #open = new OpenStreams()
  /** Real time, in milliseconds. */
  #lingersSince: number | undefined

  constructor (guard: Guard, session: ServerHttp2Session) {
    this.#guard = guard
    this.#session = session
    // The socket that a session shows is a stand-in, and ends with it: what a method of it returns is the socket itself.
    this.#socket = session.socket.once('close', () => this.#gone())
    this.#socket.once('end', () => this.#sample(guard.heartbeat.now()))
    this.#origin = { ...unrouted, ...rememberPeer(session, this.#socket) }
    this.#health = new SessionHealth(session, this.#socket, this.#origin.remoteAddress !== undefined)
    this.#clock = this.#newClock(guard.heartbeat.now())
    session.once('remoteSettings', () => this.#over(0))
    session.on('stream', (stream: ServerHttp2Stream) => this.#onStream(stream))
    session.once('error', (error) => { this.#error = error })
    guard.heartbeat.add(this)
  }

  get phase (): ConnectionPhase | undefined {
    if (this.#isLeft) return 'lingering'
    return this.#clock === undefined ? undefined : 'headers'
  }

  look (now: number): number {
    // Closing the server does so from Node 24 on; before, a client that is never silent would keep it from closing.
    if (this.#guard.closing) {
      this.#session.close()
      this.#open.hurry(this.#session, this.#guard.options.policy.limits.linger)
    }
    if (this.#open.count > 0 || this.#isLeft) this.#health.check(now)
    if (this.#isLeft) {
      this.#linger()
      return Infinity
    }
    this.#sample(now)
    return Math.min(this.#clock?.left(now) ?? Infinity, this.#guard.options.headSampling)
  }

  judge (now: number): void {
    if (this.#isLeft) return
    this.#sample(now)
    const expiry = this.#clock?.expired(now)
    if (expiry !== undefined) this.#end(headExpiry(expiry, this.#guard.options))
  }

  #newClock (now: number): ReadClock {
    const { options, heartbeat } = this.#guard
    return new ReadClock(options.headClock, now, heartbeat.lost)
  }

  #onStream (stream: ServerHttp2Stream): void {
    this.#open.add(stream)
    this.#over(stream.id ?? 0)
  }

  /** Whether nothing more is to come of it. */
  get #isLeft (): boolean {
    return this.#session.destroyed || (this.#session.closed && this.#open.count === 0)
  }

  #over (stream: number): void {
    this.#dispatched = Math.max(this.#dispatched, stream)
    this.#clock = undefined
    this.#guard.heartbeat.wake(this)
  }

  #sample (now: number): void {
    const { bytesRead } = this.#socket
    const arrived = bytesRead - this.#bytes
    if (arrived === 0) return
    this.#bytes = bytesRead
    this.#health.stands(now)
    // Frames of other kinds come and go unseen: only a stream that nghttp2 has met and nobody was told of is a block under way.
    const { lastProcStreamID = 0 } = this.#session.state
    if (this.#clock === undefined && lastProcStreamID > this.#dispatched && !this.#session.closed) this.#begin(lastProcStreamID, bytesRead - arrived, now)
    this.#clock?.arrive(bytesRead - this.#base - this.#clock.received, now)
  }

  /**
   * A block seems to be under way, unless nghttp2 has refused the stream without telling anybody. The PING tells the
   * two apart: nothing may come in the middle of a block (RFC 9113 §6.10), and so no answer to it.
   */
  #begin (stream: number, base: number, now: number): void {
    const clock = this.#newClock(now)
    this.#clock = clock
    this.#base = base
    this.#session.ping((error) => {
      if (error == null && this.#clock === clock) this.#over(stream)
    })
  }

  #end (violation: Violation): void {
    const observed = this.#guard.options.policy.limits.mode === 'observe'
    const session = this.#session
    const isFirst = this.#dispatched === 0
    this.#record(violation, observed)
    this.#over(session.state.lastProcStreamID ?? 0)
    if (observed) return
    // There is no stream to answer on. Those that are under way can still be answered: the session closes after them.
    if (isFirst) session.destroy()
    else session.close()
  }

  #record (violation: Violation, observed = false): void {
    const guard = this.#guard
    const now = guard.heartbeat.now()
    const clock = this.#clock ?? this.#newClock(now)
    const error = readError(violation, readFacts('headers', undefined, clock.received, clock.elapsed(now), clock.paused(now, guard.heartbeat.lost), clock.idle(now)))
    if (violation.code === 'FST_READ_ABORTED') error.statusCode = guard.options.abortStatusCode
    guard.journal.write(abortRecord(error, this.#origin, { answered: false, observed, time: new Date().toISOString() }), undefined)
  }

  /**
   * Node waits for the client to close its side, and may leave a session standing whose client does not end a block.
   * What was written is not cut off.
   */
  #linger (): void {
    const { linger } = this.#guard.options.policy.limits
    const { destroyed } = this.#session
    if (destroyed && !this.#socket.writableFinished) return
    const now = performance.now()
    this.#lingersSince ??= now
    if (linger !== false && now - this.#lingersSince < linger.timeout) return
    this.#lingersSince = undefined
    if (destroyed) this.#socket.destroy()
    else this.#session.destroy()
  }

  #gone (): void {
    this.#guard.heartbeat.delete(this)
    const cause = this.#error ?? this.#socket.errored ?? undefined
    if (isProtocolError(cause)) {
      if (!wasTold(cause)) this.#record({ code: 'FST_READ_MALFORMED', detail: cause.message, cause })
    } else if (this.#clock !== undefined && (cause !== undefined || this.#socket.readableEnded)) {
      this.#record({ code: 'FST_READ_ABORTED', cause })
    }
  }
}
