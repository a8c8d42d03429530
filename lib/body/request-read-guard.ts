import type { ReadGuardRouteOptions, ReadLimits } from '../limits/options.js'

/** One exchange, as the application sees it: `request.readGuard`. */
export interface RequestReadGuard {
  /**
   * `'body'` while the body is being read, then `'handler'` until the response begins, then `'response'`; `undefined` once
   * the exchange is over.
   */
  readonly phase: 'body' | 'handler' | 'response' | undefined
  /** Body bytes received so far, as sent. */
  readonly received: number
  /** Body bytes declared by `Content-Length`; `undefined` if none was declared. */
  readonly expected: number | undefined
  /** Milliseconds since the request was dispatched, counting the client's time only. */
  readonly elapsed: number
  /** Milliseconds that were not counted: back-pressure, a blocked event loop, the wait for `100 Continue`. */
  readonly paused: number
  /** The limits in force. */
  readonly limits: ReadLimits
  /**
   * Changes the limits of this one exchange from now on; those you don't name stay. Elapsed time still counts against a
   * new `bodyTimeout`; a new `minBodyRate` or `minResponseRate` starts with a full grace period.
   *
   * @throws FST_READ_OPTIONS_INVALID if a value is wrong
   */
  setLimits (changes: ReadGuardRouteOptions): void
  /**
   * Aborted when this exchange fails in any phase, with the `ReadError` as its reason: a limit ran out, or the client left,
   * even while the handler was working or the response was on its way. Never aborted after the exchange has succeeded.
   * Costs nothing until you use it.
   */
  readonly signal: AbortSignal
}
