import type { FastifyRequest } from 'fastify'
import type { AbortRecord } from '../record/abort-record.js'
import type { MinRate } from '../clock/read-clock.js'

/**
 * The options that can be set per route, in `config: { readGuard: { … } }`, and per request, by `request.readGuard.setLimits()`.
 *
 * An option that is missing or `undefined` has the value of the plugin's options, or else its default. Times are integers in
 * milliseconds up to 2_147_483_647 (24.8 days, Node's longest timer). They count the client's time only: not the time during
 * which the application isn't reading, and not the time during which the event loop is blocked.
 *
 * A wrong value, an unknown name, and an option name borrowed from another server throw `FST_READ_OPTIONS_INVALID`.
 */
export interface ReadGuardRouteOptions {
  /**
   * Longest time for a whole body, in milliseconds; `0` is no limit.
   *
   * Starts when the request is dispatched, is never reset, stops at the last byte of the body. On expiry: 408 (RFC 9110
   * §15.5.9) with `FST_READ_BODY_TIMEOUT`.
   *
   * @defaultValue `0`: a body that keeps its rate may take any time. Fastify, Kestrel, nginx and Go have no limit either.
   */
  bodyTimeout?: number | undefined

  /**
   * Longest silence within a body, in milliseconds; `0` is no limit.
   *
   * Starts when the request is dispatched, is reset by every byte of the body, stops at the last one. On expiry: 408 (RFC 9110
   * §15.5.9) with `FST_READ_BODY_IDLE_TIMEOUT`.
   *
   * @defaultValue `20_000`, Apache's `RequestReadTimeout body=20`.
   */
  bodyIdleTimeout?: number | undefined

  /**
   * The slowest a body may be; `false` is no limit. One of the two numbers may be left out: it keeps its value.
   *
   * A deadline that bytes extend: it begins at `gracePeriod` (1 ms or more), and each byte extends it by `1 / bytesPerSecond`
   * seconds (above 0, fractions allowed). It is never further away than `gracePeriod`, so a fast start can't pay for a long
   * stall. Starts when the request is dispatched, stops at the last byte of the body. On expiry: 408 (RFC 9110 §15.5.9) with
   * `FST_READ_BODY_TOO_SLOW`.
   *
   * @defaultValue `{ bytesPerSecond: 240, gracePeriod: 30_000 }`: the rate is that of Kestrel's `MinRequestBodyDataRate`;
   * Kestrel's grace period of 5 seconds is known to cut off mobile clients.
   */
  minBodyRate?: { bytesPerSecond?: number | undefined, gracePeriod?: number | undefined } | false | undefined

  /**
   * Longest time during which the client takes nothing of a response that waits to be sent, in milliseconds; `0` is no limit.
   *
   * Starts when bytes of the response wait because the operating system takes no more of them, is reset by every byte that
   * it takes, stops when nothing waits. So the silence of an event stream, a slow handler and a slow upstream don't count. On expiry the connection is reset (HTTP/2: the stream), with `FST_READ_RESPONSE_IDLE_TIMEOUT`.
   *
   * @defaultValue `60_000`, nginx's `send_timeout` and Caddy's `write_idle_timeout`.
   */
  responseIdleTimeout?: number | undefined

  /**
   * The slowest a client may take a response that waits to be sent; `false` is no limit. One of the two numbers may be left
   * out: it keeps its value.
   *
   * The same arithmetic as `minBodyRate`, counted only while bytes of the response wait to be taken. On expiry the connection is reset (HTTP/2: the stream), with `FST_READ_RESPONSE_TOO_SLOW`.
   *
   * @defaultValue `{ bytesPerSecond: 240, gracePeriod: 120_000 }`: the rate is Kestrel's `MinResponseDataRate`; the
   * grace period is long because a paused video player takes nothing for a while.
   */
  minResponseRate?: { bytesPerSecond?: number | undefined, gracePeriod?: number | undefined } | false | undefined

  /**
   * Refuse a body without `Content-Length`, before a byte of it is read: 411 (RFC 9112 §6.3, RFC 9110 §15.5.12) with
   * `FST_READ_LENGTH_REQUIRED`.
   *
   * @defaultValue `false`, as in every server.
   */
  requireContentLength?: boolean | undefined

  /**
   * Largest body, in bytes as sent, up to `Number.MAX_SAFE_INTEGER`; `0` is no limit.
   *
   * Applies to all consumers: also to streams, multipart, proxies and unread bodies. Fastify's own `bodyLimit` applies to
   * parsers that buffer, and keeps doing so. Checked against `Content-Length` before a byte is read, and against the bytes as
   * they arrive: 413 (RFC 9110 §15.5.14) with `FST_READ_BODY_TOO_LARGE`.
   *
   * @defaultValue `0`: Fastify's `bodyLimit` of 1 MiB is in force already.
   */
  bodyLimit?: number | undefined

  /**
   * How much is still read and discarded after an answer that came before the end of the body. Without it the client may
   * lose the answer (RFC 9112 §9.6). One of the two numbers may be left out: it keeps its value. `false` is off, and so is
   * a `timeout` of 0 milliseconds or 0 `bytes`: lingering always has bounds.
   *
   * Starts when the answer is given, is never reset, stops at the last byte or when the client closes. When either bound is
   * reached, the connection is closed. No error and no record result, only a count in `stats()`.
   *
   * @defaultValue `{ timeout: 2_000, bytes: 67_108_864 }`: the time is Apache's short lingering close; 64 MiB are enough for
   * clients that write everything before they read the answer.
   */
  linger?: { timeout?: number | undefined, bytes?: number | undefined } | false | undefined

  /**
   * `'enforce'` ends a request that breaks a limit; `'observe'` records it with `observed: true`, and refuses nothing.
   *
   * @defaultValue `'enforce'`
   */
  mode?: 'enforce' | 'observe' | undefined
}

/** The options of `app.register(readGuard, options)`: those of routes, for all routes, and those of the whole plugin. */
export interface ReadGuardOptions extends ReadGuardRouteOptions {
  /**
   * Longest time for a whole TLS handshake, in milliseconds; `0` is no limit (Node's own still applies).
   *
   * Starts when the connection is accepted, is never reset, stops when the connection is secure. The time during which the
   * application's `SNICallback` works isn't counted. On expiry (`FST_READ_HANDSHAKE_TIMEOUT`) nothing can be sent: the
   * connection is closed.
   *
   * @defaultValue `10_000`, Kestrel's `HandshakeTimeout`; `60_000` where the server asks for a client certificate
   * (`requestCert`), because a person may have to choose one.
   */
  handshakeTimeout?: number | undefined

  /**
   * Longest time for a whole header section, in milliseconds; `0` is no limit (Node's own still applies).
   *
   * Starts at the first byte of a request; further bytes don't extend it; stops when the request is dispatched. On expiry: 408
   * (RFC 9110 §15.5.9) with `FST_READ_HEADERS_TIMEOUT`. A fresh connection on which nothing arrives is closed, without an
   * answer, after this time or the server's `keepAliveTimeout`, whichever is longer. A `headersTimeout` given to Node stays as
   * it is.
   *
   * @defaultValue `20_000`, Apache's `RequestReadTimeout header=20`.
   */
  headersTimeout?: number | undefined

  /**
   * The slowest a header section may be, counted like `minBodyRate`; `false` is no limit. Both numbers are needed.
   *
   * Starts and stops with `headersTimeout`. On expiry: 408 (RFC 9110 §15.5.9) with `FST_READ_HEADERS_TOO_SLOW`.
   *
   * @defaultValue `false`, as in every server but Apache (500 bytes per second).
   */
  minHeadersRate?: MinRate | false | undefined

  /**
   * Refuse framing that RFC 9112 forbids and Node's parser accepts, with `FST_READ_MALFORMED`:
   * `Transfer-Encoding` in HTTP/1.0 (§6.1), both `Content-Length` and `Transfer-Encoding` (§6.3, also where Node was told to be
   * lenient) and more than one `Host` (§3.2) get 400, a transfer coding other than `chunked` gets 501 (§6.1), a version other
   * than HTTP/1.0 and 1.1 gets 505 (RFC 9110 §15.6.6), more header lines than Node keeps (`maxHeadersCount`) get 431 (RFC 6585
   * §5).
   *
   * @defaultValue `true`
   */
  strictFraming?: boolean | undefined

  /**
   * Sends `100 Continue` after the last `onRequest` hook of a request that waits for it, so that a client whose request is
   * refused does not send its body; 500 ms after the request was dispatched at the latest. `false` leaves it to Node, which
   * sends it at once: for clients that hang without one, whatever the answer (Java 17).
   *
   * @defaultValue `true` (RFC 9110 §10.1.1)
   */
  deferContinue?: boolean | undefined

  /**
   * How many reads may fail on one connection before it is closed; `0` is no limit. Counted are reads that were refused, ended
   * by a limit, or invalid; not those whose client left.
   *
   * On HTTP/1 a connection closes after each failed read anyway. On HTTP/2 the session says GOAWAY (RFC 9113 §6.8) with the
   * last one, takes no more streams, and closes when those under way are finished.
   *
   * @defaultValue `100`
   */
  maxFailedReads?: number | undefined

  /**
   * Status recorded when the client left, 400 to 599; it can't be sent.
   *
   * @defaultValue `499`, nginx's.
   */
  abortStatusCode?: number | undefined

  /**
   * Most log lines of aborted reads in a period (milliseconds, 1 or more); one summary line says how many were left out.
   * One of the two numbers may be left out: it keeps its default. `false` logs all. `onAbort`, the diagnostics channels
   * and `stats()` get every record.
   *
   * @defaultValue `{ records: 100, period: 10_000 }`
   */
  logLimit?: { records?: number | undefined, period?: number | undefined } | false | undefined

  /**
   * How often the reads under way are checked, in milliseconds, 10 to 1000; enforcement may lag by up to this much. A read
   * that is far from its limits is checked once a second. The head of a later request on a connection is noticed after a
   * twentieth of `headersTimeout`, or a second, at the latest, and a response that begins to wait within a second. Below 10,
   * checking costs more than it finds; above 1000, a limit of a few seconds would be far from exact.
   *
   * @defaultValue `100`; Kestrel checks every second, Node every 30 seconds.
   */
  resolution?: number | undefined

  /**
   * Called once for each failed read, with the record that is logged, and with the request if there is one. An exception is
   * logged.
   */
  onAbort?: ((record: AbortRecord, request: FastifyRequest | undefined) => void) | undefined
}

/** The bounds of reading on after an early answer: milliseconds and bytes, both above 0. */
export interface LingerOptions {
  readonly timeout: number
  readonly bytes: number
}

/** The limits of one request: the options of its route, with every value filled in. */
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
