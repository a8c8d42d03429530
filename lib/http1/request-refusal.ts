import type { IncomingMessage, ServerResponse } from 'node:http'
import { abortRecord, unrouted } from '../record/abort-record.js'
import type { Connection } from './connection.js'
import { readError, readFacts, type Violation } from '../record/errors.js'
import { whenOver } from '../answer/exchange-end.js'
import { errorBody } from './head-ending.js'

/**
 * Refuses a request whose head is complete and must not be trusted, before anybody sees it.
 * @returns whether it goes on nevertheless (`mode: 'observe'`)
 */
export function refuseRequest (connection: Connection, request: IncomingMessage, response: ServerResponse, violation: Violation, received: number): boolean {
  const { guard, peer } = connection
  const { method, url } = request
  const origin = { ...unrouted, method, url, ...peer }
  const observed = guard.options.policy.limits.mode === 'observe'
  const error = readError(violation, readFacts('headers', undefined, received, 0, 0, 0))
  const time = new Date().toISOString()
  const record = (answered: boolean): void => {
    guard.journal.write(abortRecord(error, origin, { answered, observed, time }), undefined)
  }
  if (observed) {
    record(false)
    return true
  }
  whenOver(response, connection.socket, () => record(response.writableFinished))
  connection.refused(request, response)
  const body = errorBody(error)
  response.writeHead(error.statusCode ?? 400, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close'
  })
  response.end(body)
  return false
}
