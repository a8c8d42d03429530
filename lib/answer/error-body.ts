import { STATUS_CODES, type OutgoingHttpHeaders, type ServerResponse } from 'node:http'
import type { ReadError } from '../record/errors.js'

/** The error in Fastify's own shape, for when there is no reply to send it with. */
export function errorBody (error: ReadError): string {
  const statusCode = error.statusCode ?? 500
  return JSON.stringify({ statusCode, code: error.code, error: STATUS_CODES[statusCode], message: error.message })
}

/** Answers a request that has no reply. An answer to HEAD has no content (RFC 9110 §9.3.2); Node may throw if it is given some. */
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
