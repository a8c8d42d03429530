import { STATUS_CODES } from 'node:http'
import type { ReadError } from '../record/errors.js'

/** Fastify's own error shape, where there is no reply to send the error with. */
export function errorBody (error: ReadError): string {
  const statusCode = error.statusCode ?? 500
  return JSON.stringify({ statusCode, code: error.code, error: STATUS_CODES[statusCode], message: error.message })
}
