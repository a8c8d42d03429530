import { STATUS_CODES, type OutgoingHttpHeaders, type ServerResponse } from 'node:http'
import type { ReadError } from '../record/errors.js'

/** Fastify's own error shape, where there is no reply to send the error with. */
export function errorBody (error: ReadError): string {
  const statusCode = error.statusCode ?? 500
  return JSON.stringify({ statusCode, code: error.code, error: STATUS_CODES[statusCode], message: error.message })
}

/** Gives the answer to a request without a reply. That to HEAD has no content (RFC 9110 §9.3.2), and Node may throw on some. */
export function sendError (response: ServerResponse, error: ReadError, headers: OutgoingHttpHeaders = {}): void {
  const body = errorBody(error)
  response.writeHead(error.statusCode ?? 500, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    ...headers
  })
  if (response.req.method === 'HEAD') response.end()
  else response.end(body)
}
