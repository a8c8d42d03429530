import type { IncomingMessage } from 'node:http'
import getRawBody from 'raw-body'
import type { BodyRead } from './body-read.js'
import { BodyConsumedError, clientGone, readError, untimedFacts, type Violation } from '../record/errors.js'
import { bytes, givenIn, refuseUnknown } from '../limits/rules.js'
import type { RawBodyOptions } from './raw-body-options.js'

const NO_FACTS = untimedFacts('body', undefined, 0)

/** Violations by the `type` of raw-body's errors. */
const violations: Readonly<Record<string, (cause: unknown, limit: number) => Violation>> = {
  'entity.too.large': (cause, limit) => ({ code: 'FST_READ_BODY_TOO_LARGE', limit, cause }),
  'request.size.invalid': (cause) => ({ code: 'FST_READ_LENGTH_MISMATCH', cause }),
  'request.aborted': (cause) => clientGone(cause)
}

/** Why a body failed before the application asked for it. It may have come whole, and the client may have left afterwards. */
function failureOf (raw: IncomingMessage, read: BodyRead | undefined): Error | undefined {
  const { errored } = raw
  if (read?.error !== undefined || errored === null) return read?.error
  const isOurs = String((errored as { code?: unknown }).code).startsWith('FST_READ_')
  return isOurs ? errored : readError(clientGone(errored), read?.facts() ?? NO_FACTS)
}

function throwFailure (error: Error | undefined): void {
  if (error !== undefined) throw error
}

/** Whether Node has ended a request that has no body before anybody could read it (`optimizeEmptyRequests`): it gives no 'end'. */
function isEndedByNode (raw: IncomingMessage): boolean {
  return raw.readableEnded && !raw.readableDidRead && raw.readableFlowing === null
}

function isConsumed (raw: IncomingMessage): boolean {
  return raw.readableDidRead || raw.readableEnded || raw.readableFlowing !== null
}

/**
 * Reads the whole body of a request that no parser has consumed, as sent.
 *
 * @throws the read's own `ReadError`; FST_READ_BODY_CONSUMED if something else has read the body; FST_READ_OPTIONS_INVALID on a wrong option
 */
export async function readRawBody (raw: IncomingMessage, read: BodyRead | undefined, options: RawBodyOptions = {}): Promise<Buffer | string> {
  refuseUnknown(givenIn(options, 'readRawBody(): options', 'must be a plain object'), ['encoding', 'limit'], 'readRawBody(): ')
  const { encoding = null, limit = 0 } = options
  bytes(limit, 'readRawBody(): limit', undefined)
  throwFailure(failureOf(raw, read))
  if (isEndedByNode(raw)) return encoding === null ? Buffer.alloc(0) : ''
  if (isConsumed(raw)) throw new BodyConsumedError()
  if (limit > 0) read?.askBodyLimit(limit)
  throwFailure(read?.error)
  try {
    return await getRawBody(raw, { encoding, limit: limit > 0 ? limit : null, ...(read?.expected === undefined ? {} : { length: read.expected }) })
  } catch (error) {
    const violation = violations[(error as { type?: string }).type ?? '']?.(error, limit) // anything may be thrown
    if (violation === undefined) throw error
    throwFailure(read?.error)
    throw readError(violation, read?.facts() ?? NO_FACTS)
  }
}
