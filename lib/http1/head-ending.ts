import { STATUS_CODES } from 'node:http'
import { abortRecord, unrouted } from '../record/abort-record.js'
import type { Connection } from './connection.js'
import { readError, type ReadError, type ReadFacts, type Violation } from '../record/errors.js'
import { Draining, Linger } from './linger.js'
import { pendingResponse } from '../node/internals.js'

/** Fastify's own error shape, for the phases in which there is no reply yet. */
export function errorBody (error: ReadError): string {
  const statusCode = error.statusCode ?? 500
  return JSON.stringify({ statusCode, code: error.code, error: STATUS_CODES[statusCode], message: error.message })
}

function answerHead (error: ReadError): string {
  const statusCode = error.statusCode ?? 500
  const body = errorBody(error)
  return `HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode] ?? 'Error'}\r\n` +
    'Content-Type: application/json; charset=utf-8\r\n' +
    `Content-Length: ${Buffer.byteLength(body)}\r\n` +
    `Date: ${new Date().toUTCString()}\r\n` +
    `Connection: close\r\n\r\n${body}`
}

function closeAfterLinger (connection: Connection): void {
  const { linger } = connection.guard.options.policy.limits
  if (linger === false) {
    connection.socket.destroySoon()
    return
  }
  const lingering = new Linger(connection, linger)
  connection.read = lingering
  lingering.halfClose()
}

/**
 * Ends a read for which no request exists yet: answers where an answer can be understood, closes, records.
 *
 * @param answer gives the answer in the guard's place, and tells whether one was given
 */
export function failHead (connection: Connection, violation: Violation, facts: ReadFacts, observe: boolean, answer?: () => boolean): void {
  const { guard, socket } = connection
  const error = readError(violation, facts)
  const origin = { ...unrouted, ...connection.peer }
  const time = new Date().toISOString()
  const record = (answered: boolean): void => {
    guard.journal.write(abortRecord(error, origin, { answered, observed: observe, time }), undefined)
  }
  if (observe) return record(false)
  if (violation.code === 'FST_READ_ABORTED') error.statusCode = guard.options.abortStatusCode
  if (answer !== undefined) {
    record(answer())
    if (!socket.destroyed) closeAfterLinger(connection)
  } else if (socket.bytesRead === 0 || !socket.writable || violation.code === 'FST_READ_ABORTED') {
    socket.destroy()
    record(false)
  } else if (pendingResponse(socket) !== undefined) {
    // An answer written now would be taken for that of the request before.
    connection.read = new Draining(connection, () => closeAfterLinger(connection))
    record(false)
  } else {
    socket.write(answerHead(error), (failed) => record(failed == null))
    closeAfterLinger(connection)
  }
}
