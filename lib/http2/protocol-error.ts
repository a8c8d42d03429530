interface ProtocolError extends Error {
  readonly code: 'ERR_HTTP2_ERROR'
}

/** Whether the error is nghttp2's, about what the client sent. It ends the session, and every stream on it with the same error. */
export function isProtocolError (error: unknown): error is ProtocolError {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'ERR_HTTP2_ERROR'
}

/** As Node makes it from version 22 on. */
export function protocolError (): Error {
  return Object.assign(new Error('Protocol error'), { code: 'ERR_HTTP2_ERROR' })
}
