import { constants, type ServerHttp2Stream } from 'node:http2'

/** Of each major version a release that was found fixed, as minor and patch. An earlier one may be: the override does it no harm. */
const mendedSince = new Map([[22, [23, 2]], [24, [21, 0]], [26, [5, 1]]])

/** Whether a stream may be reset, with any code, while nghttp2 is reading it (nodejs/node#64113). Node 20 won't be fixed. */
export function isMended (version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  const since = mendedSince.get(major)
  if (since === undefined) return major > 26
  const [sinceMinor = 0, sincePatch = 0] = since
  return minor > sinceMinor || (minor === sinceMinor && patch >= sincePatch)
}

interface StreamHandle {
  rstStream (code: number): void
}

/** The descriptions of the symbols by which a stream keeps its handle, and the handle its stream. Async hooks put others on handles. */
const HANDLE = 'kHandle'
const OWNER = 'owner_symbol'

function keyOf (of: object, name: string): symbol | undefined {
  return Object.getOwnPropertySymbols(of).find(({ description }) => description === name)
}

function handleOf (stream: ServerHttp2Stream): StreamHandle | undefined {
  const key = keyOf(stream, HANDLE)
  return key === undefined ? undefined : (stream as unknown as Record<symbol, StreamHandle | undefined>)[key]
}

/** The handle of a stream that Node refuses never gets its stream. */
function hasStream (handle: StreamHandle): boolean {
  return keyOf(handle, OWNER) !== undefined
}

let isDone = isMended(process.versions.node)

/**
 * A session that is closing refuses the streams that come before its GOAWAY has left, while nghttp2 is still reading them. Without
 * the fix, that frees memory which nghttp2 goes on to read and write: it ends the process, or worse. A client only has to keep
 * sending to cause it. So these streams are not reset: the GOAWAY closes them, and says that they were not processed (RFC 9113
 * §6.8).
 *
 * All streams share the method. Streams that the application resets are left alone.
 *
 * @param stream any stream
 */
export function refuseSafely (stream: ServerHttp2Stream): void {
  if (isDone) return
  const handle = handleOf(stream)
  if (handle === undefined) return
  isDone = true
  const methods = Object.getPrototypeOf(handle) as StreamHandle
  const { rstStream } = methods
  methods.rstStream = function (this: StreamHandle, code) {
    if (code !== constants.NGHTTP2_REFUSED_STREAM || hasStream(this)) rstStream.call(this, code)
  }
}
