import type { FastifyRequest } from 'fastify'
import type { AbortRecord } from '../record/abort-record.js'
import type { MinRate } from '../clock/read-clock.js'

/**
 * The options a route may have of its own, in `config: { readGuard: { … } }`, and a read in `request.readGuard.setLimits()`.
 *
 * What is not given, or is `undefined`, comes from the plugin's options, and there from the default. Times are integers
 * of milliseconds up to 2_147_483_647 (24.8 days, the longest timer of Node), and count the client's time only: not the
 * time in which the application held back, and not the time in which the event loop was blocked.
 *
 * A wrong value, an unknown name and another server's name for an option throw `FST_READ_OPTIONS_INVALID`.
 */
export interface ReadGuardRouteOptions {
  /**
   * Longest time for a whole body, in milliseconds; `0` is no limit.
   *
   * Starts when the request is dispatched, is reset by nothing, stops at the last body byte. On expiry: 408 (RFC 9110
   * §15.5.9) with `FST_READ_BODY_TIMEOUT`.
   *
   * @defaultValue `0`: a body that keeps its rate is not cut, however long it takes. Fastify, Kestrel, nginx and Go have no
   * limit either.
   */
  bodyTimeout?: number | undefined

  /**
   * Longest silence inside a body, in milliseconds; `0` is no limit.
   *
   * Starts when the request is dispatched, is reset by every body byte, stops at the last one. On expiry: 408 (RFC 9110
   * §15.5.9) with `FST_READ_BODY_IDLE_TIMEOUT`.
   *
   * @defaultValue `20_000`, Apache's `RequestReadTimeout body=20`.
   */
  bodyIdleTimeout?: number | undefined

  /**
   * The slowest a body may be; `false` is no limit. One of the two numbers may be left out: it keeps its value.
   *
   * A token bucket counted in time: every byte buys `1 / bytesPerSecond` seconds (above 0, fractions allowed), never more
   * than `gracePeriod` (1 ms or more) can be saved up, so that a burst cannot pre-pay a long stall. Starts full when the
   * request is dispatched, stops at the last body byte. On expiry, an empty bucket: 408 (RFC 9110 §15.5.9) with
   * `FST_READ_BODY_TOO_SLOW`.
   *
   * @defaultValue `{ bytesPerSecond: 240, gracePeriod: 30_000 }`: the rate is Kestrel's `MinRequestBodyDataRate`, whose
   * grace period of 5 seconds is known to cut off mobile clients.
   */
  minBodyRate?: { bytesPerSecond?: number | undefined, gracePeriod?: number | undefined } | false | undefined

  /**
   * Longest time in which the client takes nothing of a response that waits to be sent, in milliseconds; `0` is no limit.
   *
   * Starts when bytes of the response wait because the operating system takes no more of them, is reset by every byte that
   * it takes, stops when nothing waits: the silence of an event stream, a handler that thinks and a slow upstream do not
   * count. On expiry the connection is reset (HTTP/2: the stream), with `FST_READ_RESPONSE_IDLE_TIMEOUT`.
   *
   * @defaultValue `60_000`, nginx's `send_timeout` and Caddy's `write_idle_timeout`.
   */
  responseIdleTimeout?: number | undefined

  /**
   * The slowest a client may take what waits to be sent; `false` is no limit. One of the two numbers may be left out: it
   * keeps its value.
   *
   * A token bucket as that of `minBodyRate`, counted only while bytes of the response wait to be taken. On expiry the
   * connection is reset (HTTP/2: the stream), with `FST_READ_RESPONSE_TOO_SLOW`.
   *
   * @defaultValue `{ bytesPerSecond: 240, gracePeriod: 120_000 }`: the rate is Kestrel's `MinResponseDataRate`. A paused
   * video player takes nothing for a while, hence the grace period.
   */
  minResponseRate?: { bytesPerSecond?: number | undefined, gracePeriod?: number | undefined } | false | undefined

  /**
   * Refuse a body without `Content-Length`, before a byte of it is read: 411 (RFC 9112 §6.3, RFC 9110 §15.5.12) with
   * `FST_READ_LENGTH_REQUIRED`.
   *
   * @defaultValue `false`, as every server has it.
   */
  requireContentLength?: boolean | undefined

  /**
   * Longest body in bytes, as sent, up to `Number.MAX_SAFE_INTEGER`; `0` is no limit.
   *
   * Holds for every consumer: streams, multipart, proxies and bodies that nobody reads, where Fastify's own `bodyLimit`,
   * which keeps working for parsers that buffer, does not reach. Checked against `Content-Length` before a byte is read,
   * and against the bytes as they arrive: 413 (RFC 9110 §15.5.14) with `FST_READ_BODY_TOO_LARGE`.
   *
   * @defaultValue `0`: Fastify's `bodyLimit` of 1 MiB is in force already.
   */
  bodyLimit?: number | undefined

  /**
   * What is still read, and thrown away, after an answer that came before the end of the body: without it the client may
   * lose the answer (RFC 9112 §9.6). One of the two numbers may be left out: it keeps its value. `false` is off, and so is
   * a `timeout` of 0 milliseconds or 0 `bytes`: there is no lingering without bounds.
   *
   * Starts when the answer was given, is reset by nothing, stops at the last byte or when the client closes. On expiry of
   * either bound the connection is closed. It is no read any more: no error, no record, only counted in `stats()`.
   *
   * @defaultValue `{ timeout: 2_000, bytes: 67_108_864 }`: the time is Apache's short lingering close; 64 MiB let clients
   * that write everything before they read have their answer.
   */
  linger?: { timeout?: number | undefined, bytes?: number | undefined } | false | undefined

  /**
   * `'enforce'` refuses what breaks a limit; `'observe'` records it with `observed: true`, and refuses nothing.
   *
   * @defaultValue `'enforce'`
   */
  mode?: 'enforce' | 'observe' | undefined
}

/** The options of `app.register(readGuard, options)`: those of a route, for all routes, and those of the whole plugin. */
export interface ReadGuardOptions extends ReadGuardRouteOptions {
  /**
   * Longest time for a whole TLS handshake, in milliseconds; `0` is no limit of ours (Node's own stays).
   *
   * Starts when the connection is accepted, is reset by nothing, stops when the connection is secure. The time in which the
   * application's `SNICallback` works is not counted. On expiry (`FST_READ_HANDSHAKE_TIMEOUT`) nothing can be sent: the
   * connection is closed.
   *
   * @defaultValue `10_000`, Kestrel's `HandshakeTimeout`; `60_000` where the server asks for a client certificate
   * (`requestCert`), which a person may have to choose.
   */
  handshakeTimeout?: number | undefined

  /**
   * Longest time for a whole header section, in milliseconds; `0` is no limit of ours.
   *
   * Starts at the first byte of a request; is not extended by bytes; stops when the request is dispatched. On expiry: 408
   * (RFC 9110 §15.5.9) with `FST_READ_HEADERS_TIMEOUT`. A fresh connection on which nothing is received is closed, without an
   * answer, after this time or the server's `keepAliveTimeout`, whichever is longer. A `headersTimeout` that Node was given
   * stays as it is.
   *
   * @defaultValue `20_000`, Apache's `RequestReadTimeout header=20`.
   */
  headersTimeout?: number | undefined

  /**
   * The slowest a header section may be, counted like `minBodyRate`; `false` is no limit. There is no default to complete
   * it: give both numbers.
   *
   * Starts and stops with `headersTimeout`. On expiry: 408 (RFC 9110 §15.5.9) with `FST_READ_HEADERS_TOO_SLOW`.
   *
   * @defaultValue `false`, as every server but Apache (500 bytes per second) has it.
   */
  minHeadersRate?: MinRate | false | undefined

  /**
   * Refuse what RFC 9112 says must be refused and Node's parser lets pass, with `FST_READ_MALFORMED`:
   * `Transfer-Encoding` in HTTP/1.0 (§6.1), both `Content-Length` and `Transfer-Encoding` (§6.3, also where Node was told to be
   * lenient) and more than one `Host` (§3.2) get 400, a transfer coding other than `chunked` gets 501 (§6.1), a version other
   * than HTTP/1.0 and 1.1 gets 505 (RFC 9110 §15.6.6), more header lines than Node keeps (`maxHeadersCount`) get 431 (RFC 6585
   * §5).
   *
   * @defaultValue `true`
   */
  strictFraming?: boolean | undefined

  /**
   * Sends `100 Continue` after the last `onRequest` hook of a request that waits for it, so that one that is refused gets none,
   * and 500 ms after the request was dispatched at the latest. `false` leaves it to Node, which sends it at once: for clients
   * that hang without one, whatever the answer (Java 17).
   *
   * @defaultValue `true` (RFC 9110 §10.1.1)
   */
  deferContinue?: boolean | undefined

  /**
   * Most reads that may fail on one connection before it is closed; `0` is no limit. Those are counted that were refused, or
   * ended by a limit or for what the client sent, and not those whose client left.
   *
   * On HTTP/1 a connection closes after each of them anyway. On HTTP/2 the session says GOAWAY (RFC 9113 §6.8) with the last
   * of them, takes no more streams, and closes when those under way are finished.
   *
   * @defaultValue `100`
   */
  maxFailedReads?: number | undefined

  /**
   * Status recorded when the client left (`FST_READ_ABORTED`), 400 to 599: nothing can be sent any more.
   *
   * @defaultValue `499`, nginx's.
   */
  abortStatusCode?: number | undefined

  /**
   * Most log lines of aborted reads in a period (milliseconds, 1 or more); one summary line tells how many were left out.
   * One of the two numbers may be left out: it keeps its default. `false` logs all. `onAbort`, the diagnostics channel
   * and `stats()` get every record.
   *
   * @defaultValue `{ records: 100, period: 10_000 }`
   */
  logLimit?: { records?: number | undefined, period?: number | undefined } | false | undefined

  /**
   * How often the reads under way are looked at, in milliseconds, 10 to 1000: a verdict may come that much late. What has
   * long to go is looked at once a second, and the head of a later request on a connection is noticed after a twentieth of
   * `headersTimeout`, or a second, at the latest. Below 10 the looking costs more than it finds, above 1000 a limit of seconds
   * would no longer mean what it says.
   *
   * @defaultValue `100`; Kestrel looks every second, Node every 30 seconds.
   */
  resolution?: number | undefined

  /**
   * Called once for each read that failed, with the record that is logged, and with the request where there is one. What
   * it throws is logged.
   */
  onAbort?: ((record: AbortRecord, request: FastifyRequest | undefined) => void) | undefined
}

/** What is still read after an early answer: at most so many milliseconds and so many bytes, both above 0. */
export interface LingerOptions {
  readonly timeout: number
  readonly bytes: number
}

/** The limits a body read is held against: the options of a route with every value filled in. */
export interface ReadLimits {
  readonly bodyTimeout: number
  readonly bodyIdleTimeout: number
  readonly minBodyRate: MinRate | false
  readonly responseIdleTimeout: number
  readonly minResponseRate: MinRate | false
  readonly requireContentLength: boolean
  readonly bodyLimit: number
  readonly linger: LingerOptions | false
  readonly mode: 'enforce' | 'observe'
}
