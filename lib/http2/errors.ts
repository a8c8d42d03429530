/** What nghttp2 refuses ends the session, and every stream on it with the same error. */
const told = new WeakSet<Error>()

/** Whether the error is nghttp2's, about what the client sent. */
export function isProtocolError (error: unknown): error is Error {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'ERR_HTTP2_ERROR'
}

/** A record was written that blames the error on a read. */
export function tell (error: Error): void {
  told.add(error)
}

/** Whether there is such a record. */
export function wasTold (error: Error): boolean {
  return told.has(error)
}
