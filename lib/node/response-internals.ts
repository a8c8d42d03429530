import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/*
 * Undocumented state of responses over HTTP/1. Each was looked up in, and is pinned by tests on, Node 20, 22, 24 and 26.
 */

const EVENT_STREAM = /^content-type: *text\/event-stream/im
const CONTENT_LENGTH = /^content-length: *(\d+)\r$/im

/** Headers given to `writeHead()` are only in the text of `_header`. Over HTTP/2 it is a flag: whether they were sent. */
type WithHeader = ServerResponse & { readonly _header?: string | boolean | null }

/** The length of the body, in bytes, that a response that has begun declares. */
export function declaredLength (response: WithHeader): number | undefined {
  const { _header: text } = response
  const length = typeof text === 'string' ? CONTENT_LENGTH.exec(text)?.[1] : response.getHeader('content-length')
  return length === undefined ? undefined : Number(length)
}

/** Like `declaredLength()`, plus the head, over HTTP/1. The client knows the end from that, even if Node has yet to finish it. */
export function declaredSize (response: WithHeader): number | undefined {
  const length = declaredLength(response)
  return length === undefined || typeof response._header !== 'string' ? undefined : length + response._header.length
}

/** Whether a response that has begun is an event stream. */
export function isEventStream (response: WithHeader): boolean {
  if (!response.headersSent) return false
  const { _header: text } = response
  return EVENT_STREAM.test(typeof text === 'string' ? text : `content-type: ${String(response.getHeader('content-type'))}`)
}

/** Whether any of a response was given to its connection. One that waits for its turn has no connection, and holds it all. */
export function hasBegun (response: ServerResponse): boolean {
  return response.headersSent && (response.socket !== null || response.writableLength === 0)
}

/**
 * Makes Node forget a request that gets no response: it keeps each one until its response is finished (`resOnFinish`). The
 * request must be the first that its connection still owes an answer: Node asserts that, and a failed assertion ends the process.
 */
export function forget (response: ServerResponse): void {
  response.emit('finish')
}

/** Whether Node refused a body that the method or status forbids (`rejectNonStandardBodyWrites`). By then the head is written. */
export function isBodyRefused (error: unknown): boolean {
  return (error as { code?: string }).code === 'ERR_HTTP_BODY_NOT_ALLOWED'
}

/** Whether the first bytes of an answer over HTTP/1 have left: `headersSent` only says that its head is made. */
export function hasLeft (response: ServerResponse): boolean {
  return (response as ServerResponse & { readonly _headerSent?: boolean })._headerSent === true
}

/** Whether the whole answer was handed to the operating system. */
export function isAnswerOut (response: ServerResponse): boolean {
  return response.writableFinished
}

/** Puts a response on its connection when it is its turn, as Node does with the responses that it makes itself. */
export function assignResponse (response: ServerResponse, socket: Socket): void {
  response.assignSocket(socket)
}
