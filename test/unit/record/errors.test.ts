import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import createError from '@fastify/error'
import t from 'tap'
import { errors, isReadError } from '../../../lib/index.js'
import { abortRecord, peerOf, unrouted, type AbortRecord } from '../../../lib/record/abort-record.js'
import { readError, untimedFacts, type ReadError, type ReadErrorCode, type Violation } from '../../../lib/record/errors.js'
import { root } from '../../support/app/packed.js'
import { misfits } from '../../support/oracle/record-types.js'

const facts = untimedFacts('body', 10, 3)
const codes = Object.keys(errors).filter((code): code is ReadErrorCode => code !== 'FST_READ_BODY_CONSUMED' && code !== 'FST_READ_OPTIONS_INVALID')

/** Of a code that is not known before. */
const violationOf = (code: ReadErrorCode): Violation => ({ code, limit: 7, detail: 'what' }) as Violation

t.test('every error of a read is told as one, also by another copy of the package', async (t) => {
  // Its modules share nothing with those of this one.
  const other = await import(pathToFileURL(join(root, 'dist', 'record', 'errors.js')).href) as { isReadError: typeof isReadError, readError: typeof readError }
  t.not(other.isReadError, isReadError)
  t.ok(codes.length >= 12)
  for (const code of codes) {
    t.ok(isReadError(readError(violationOf(code), facts)), code)
    t.ok(isReadError(other.readError(violationOf(code), facts)))
    t.ok(other.isReadError(readError(violationOf(code), facts)))
  }
})

t.test('nothing else is', async (t) => {
  const error = readError({ code: 'FST_READ_ABORTED' }, facts)
  const others: Readonly<Record<string, unknown>> = {
    undefined,
    null: null,
    'a code': 'FST_READ_ABORTED',
    'an object with its fields, as the record is': { ...error },
    'an error': new Error('FST_READ_ABORTED'),
    'an error with the code alone': Object.assign(new Error('own'), { code: 'FST_READ_ABORTED' }),
    "one of Fastify's": new (createError('FST_ERR_CTP_BODY_TOO_LARGE', 'own', 413))(),
    'one with a code that there is not': Object.assign(new Error('own'), { ...error, code: 'FST_READ_TIMEOUT' }),
    'one with the reason of another code': Object.assign(new Error('own'), { ...error, code: 'FST_READ_BODY_TIMEOUT' }),
    'one with a code of every object': Object.assign(new Error('own'), { ...error, code: 'toString' }),
    'one that wraps it': new Error('own', { cause: error }),
    'a caller\'s mistake': new errors.FST_READ_BODY_CONSUMED(),
    'a wrong option': new errors.FST_READ_OPTIONS_INVALID('a', 'b', 'c'),
    'one that the application has made': new errors.FST_READ_ABORTED()
  }
  for (const [name, other] of Object.entries(others)) t.notOk(isReadError(other), name)
})

t.test('a record that its type does not allow is found out', async (t) => {
  const record = (error: ReadError): AbortRecord => abortRecord(error, { ...unrouted, ...peerOf(undefined) }, { answered: false, observed: false, time: '' })
  const aborted = record(readError({ code: 'FST_READ_ABORTED' }, facts))
  const tooLong = record(readError({ code: 'FST_READ_BODY_TIMEOUT', limit: 7 }, facts))
  for (const fitting of [aborted, tooLong, record(readError({ code: 'FST_READ_MALFORMED', statusCode: 505 }, facts))]) t.same(misfits(fitting), [])
  const wrong: ReadonlyArray<readonly [AbortRecord, Readonly<Record<string, unknown>>]> = [
    [aborted, { limit: 7 }], [aborted, { statusCode: undefined }], [aborted, { blame: 'client_slow' }], [aborted, { phase: 'response' }],
    [tooLong, { limit: undefined }], [tooLong, { statusCode: 501 }], [tooLong, { reason: 'body_too_slow' }], [tooLong, { phase: 'handshake' }]
  ]
  for (const [fitting, field] of wrong) t.match(misfits({ ...fitting, ...field } as AbortRecord), [`: ${Object.keys(field).join()} is `])
})

t.test('the error of a read has the first line of a stack, and no more', async (t) => {
  const { stackTraceLimit } = Error
  for (const code of codes) {
    const error = readError(violationOf(code), facts)
    t.equal(error.stack, `FastifyError: ${error.message}`, code)
    t.ok(error instanceof Error && error instanceof errors[code])
    t.notOk(Object.keys(error).includes('stack'), 'as everywhere')
  }
  t.equal(Error.stackTraceLimit, stackTraceLimit)
})

t.test('an error that the application makes keeps its stack', async (t) => {
  for (const [code, Constructor] of Object.entries(errors)) t.match(new Constructor('', '', '').stack, /errors\.test\.ts/, code)
})
