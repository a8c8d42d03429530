/** What `request.readRawBody()` takes. */
export interface RawBodyOptions {
  /** Encoding to decode the body with, as `iconv-lite` names it; `true` is UTF-8. Without it the result is a `Buffer`. */
  readonly encoding?: string | true
  /** Largest body in bytes, in addition to the route's `bodyLimit`; `0` is no limit. Enforced even in `mode: 'observe'`. */
  readonly limit?: number
}
