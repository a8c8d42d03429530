import type { Test } from 'tap'
import type { AbortRecord, ReadError } from '../../../lib/index.js'
import type { Observation } from './body-exchange.js'
import { OWN_TIME, type Fate } from '../app/consumer.js'
import { transport } from '../app/transport.js'

/** What is to become of a body that failed. */
export interface Expected {
  readonly code: AbortRecord['code']
  readonly reason: AbortRecord['reason']
  /** Status of the error. */
  readonly statusCode: number
  /** What the client and the application see instead of `code`. */
  readonly seenAs?: string
  /** Whether it is refused after the last `onRequest` hook, before the route is asked. */
  readonly refused?: boolean
  /** Counted milliseconds after which the limit ran out, where it is one of time. */
  readonly due?: (record: AbortRecord) => number
  readonly resolution?: number
  /** What Fastify itself logs of it. */
  readonly says?: string
}

/** How long after the failure the answer comes, in milliseconds. */
const grace: Readonly<Record<Fate, number>> = { told: 0, late: OWN_TIME, untold: 200, mute: 2_000, own: OWN_TIME, early: 0 }

/** What this process may need beside the limit, the resolution and the time in which it could not run. */
const USUAL_DELAY = 150

function expectRecord (t: Test, { consumer, sent, remotePort, reqIds, records }: Observation, expected: Expected, answered: boolean): AbortRecord | undefined {
  t.equal(records.length, 1, 'exactly one record')
  const [record] = records
  t.hasStrict(record, {
    code: expected.code,
    reason: expected.reason,
    statusCode: expected.statusCode,
    phase: 'body',
    answered,
    expected: sent.declared,
    method: 'POST',
    url: consumer.url,
    route: consumer.route,
    reqId: reqIds[0],
    remoteAddress: '127.0.0.1',
    remotePort,
    protocol: 'http/1.1',
    tls: transport.tls,
    observed: false
  })
  if (sent.received !== undefined) t.equal(record?.received, sent.received, 'the bytes received')
  return record
}

/** The framework has answered: everybody saw the same. */
function expectHandled (t: Test, { handled, onError, records: [record] }: Observation, expected: Expected): void {
  t.equal(handled.length, 1, 'the error handler is called once')
  t.equal(onError.length, 1, 'onError is called once')
  t.equal(onError[0], handled[0], 'with the same error')
  t.hasStrict(handled[0], { code: expected.seenAs ?? expected.code, statusCode: expected.statusCode })
  if (expected.seenAs !== undefined || record === undefined) return
  const { phase, reason, received, limit, elapsed, paused, idle, rate } = handled[0] as ReadError
  t.hasStrict(record, { phase, reason, received, expected: (handled[0] as ReadError).expected, limit, elapsed, paused, idle, rate }, 'which is that of the record')
}

function expectInTime (t: Test, { consumer: { fate }, answerAfter, lag }: Observation, expected: Expected, record: AbortRecord): void {
  const { due, resolution = 0 } = expected
  if (due === undefined) return
  const limit = due(record)
  t.ok(record.elapsed >= limit, `${record.elapsed} ms counted: not before ${limit} ms`)
  // Two late beats at the most, each of which counts as one and a half, and as much again until the record is made.
  t.ok(record.elapsed <= limit + 5 * resolution, `${record.elapsed} ms counted: soon after ${limit} ms`)
  t.ok(answerAfter >= limit, `answered after ${answerAfter} ms: not before ${limit} ms`)
  const waited = limit + grace[fate]
  // Node's timers may be a millisecond early.
  t.ok(answerAfter >= waited - 1, `answered after ${answerAfter} ms: not before ${waited} ms`)
  t.ok(answerAfter <= waited + resolution + USUAL_DELAY + lag, `answered after ${answerAfter} ms: soon after ${waited} ms, with ${lag} ms lost`)
}

function expectQuiet (t: Test, { consumer, noise, hanging }: Observation, { says }: Expected): void {
  t.same(noise.map(({ msg }) => msg).filter(msg => msg !== consumer.says && msg !== says), [], 'no noise in the log')
  t.same(hanging, [], 'nothing is left hanging')
}

/** The body has failed where an answer could still be sent. */
export function expectAnswered (t: Test, observation: Observation, expected: Expected): void {
  const { consumer: { fate, statusCode, answersFirst = false }, answers, seen, records, handled, onError } = observation
  const owned = (expected.refused !== true || answersFirst) && (fate === 'own' || fate === 'early')
  t.equal(answers.length, 1, 'exactly one answer')
  t.equal(answers[0]?.statusCode, owned ? statusCode : expected.statusCode)
  if (!owned) {
    t.hasStrict(answers[0]?.json, { statusCode: expected.statusCode, code: expected.seenAs ?? expected.code })
    expectHandled(t, observation, expected)
  } else {
    t.same(handled, [])
    t.same(onError, [])
  }
  if (fate === 'early' && owned) {
    t.same(records, [], 'what is left of the body is no read any more')
  } else {
    t.equal(answers[0]?.headers['connection'], 'close')
    if (seen !== undefined) t.equal(seen.end, 'FIN', 'the connection is closed in order')
    const record = expectRecord(t, observation, expected, !owned)
    if (record !== undefined) expectInTime(t, observation, expected, record)
  }
  expectQuiet(t, observation, expected)
}

/** The client has left. */
export function expectLeft (t: Test, observation: Observation, expected: Expected): void {
  const { consumer: { fate, statusCode }, answers, handled, records } = observation
  if (fate === 'early') {
    t.same(answers.map(answer => answer.statusCode), [statusCode])
    t.same(records, [], 'what is left of the body is no read any more')
  } else {
    t.same(answers, [], 'nothing can be sent')
    expectRecord(t, observation, expected, false)
    if (fate === 'told' || fate === 'late') expectHandled(t, observation, expected)
    else t.same(handled, [], 'nobody asks for the body')
  }
  expectQuiet(t, observation, expected)
}
