import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import { abortRecord, unrouted } from './abort-record.js'
import { readError, readFacts, type Violation } from './errors.js'
import { headExpiry } from './expiry.js'
import type { Guard } from './guard.js'
import type { Watched } from './heartbeat.js'
import { ReadClock } from './read-clock.js'

/**
 * The head sections of one HTTP/2 session: its preface up to the client's SETTINGS, and each header block until its
 * stream is dispatched. Nothing tells that a block has begun but nghttp2's count of the streams it has seen.
 */
export class SessionRead implements Watched {
  readonly #guard: Guard
  readonly #session: ServerHttp2Session
  readonly #remoteAddress: string | undefined
  readonly #remotePort: number | undefined
  /** `undefined` while no header section is under way. */
  #clock: ReadClock | undefined
  #dispatched = 0
  #bytes = 0
  /** `bytesRead` when the header section began. */
  #base = 0

  constructor (guard: Guard, session: ServerHttp2Session) {
    const { remoteAddress, remotePort } = session.socket
    this.#guard = guard
    this.#session = session
    this.#remoteAddress = remoteAddress
    this.#remotePort = remotePort
    this.#clock = this.#newClock(guard.heartbeat.now())
    session.once('remoteSettings', () => { this.#clock = undefined })
    session.on('stream', (stream: ServerHttp2Stream) => this.#onStream(stream))
    guard.heartbeat.add(this)
  }

  get phase (): 'headers' | undefined {
    return this.#clock === undefined ? undefined : 'headers'
  }

  look (now: number): boolean {
    const session = this.#session
    if (session.destroyed || session.closed) {
      this.#guard.heartbeat.delete(this)
      return false
    }
    this.#sample(now)
    return this.#clock?.expired(now) !== undefined
  }

  judge (now: number): void {
    if (this.#session.destroyed) return
    this.#sample(now)
    const expiry = this.#clock?.expired(now)
    if (expiry === undefined || this.#clock === undefined) return
    this.#end(this.#clock, now, headExpiry(expiry, this.#guard.options))
  }

  #newClock (now: number): ReadClock {
    const { headersTimeout, minHeadersRate } = this.#guard.options
    return new ReadClock({ total: headersTimeout, idle: 0, minRate: minHeadersRate }, now)
  }

  #onStream (stream: ServerHttp2Stream): void {
    this.#dispatched = Math.max(this.#dispatched, stream.id ?? 0)
    this.#clock = undefined
  }

  #sample (now: number): void {
    const { bytesRead } = this.#session.socket
    const arrived = bytesRead - this.#bytes
    if (arrived === 0) return
    this.#bytes = bytesRead
    // Frames of other kinds come and go unseen: only a stream that nghttp2 has met and nobody was told of is a block under way.
    if (this.#clock === undefined && (this.#session.state.lastProcStreamID ?? 0) > this.#dispatched) {
      this.#clock = this.#newClock(now)
      this.#base = bytesRead - arrived
    }
    if (this.#clock !== undefined) this.#clock.arrive(bytesRead - this.#base - this.#clock.received, now)
  }

  #end (clock: ReadClock, now: number, violation: Violation): void {
    const guard = this.#guard
    const session = this.#session
    const observed = guard.options.policy.limits.mode === 'observe'
    const error = readError(violation, readFacts('headers', undefined, clock.received, clock.elapsed(now), clock.paused(now), clock.idle(now)))
    guard.heartbeat.delete(this)
    guard.journal.write(abortRecord(error, {
      ...unrouted,
      remoteAddress: this.#remoteAddress,
      remotePort: this.#remotePort,
      protocol: 'h2',
      tls: session.encrypted === true
    }, { answered: false, observed, time: new Date().toISOString() }), undefined)
    if (observed) return
    // There is no stream to answer on. Those that are under way can still be answered: the session closes after them.
    if (this.#dispatched > 0) session.close()
    else session.destroy()
  }
}
