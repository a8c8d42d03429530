import type { Test } from 'tap'
import type { AbortRecord } from '../../../lib/index.js'
import type { GuardedApp } from '../app/guarded-app.js'
import { RESOLUTION } from '../app/header-limits.js'
import { onlyAnswer } from '../client/raw-client.js'

/** Counted time is looked at once a beat, and a beat counts for one and a half at most: so late a verdict may come. */
const BEATS = 3

/** The client got one answer: this error in Fastify's own shape, as the connection's last. */
export function mustBeRefused (t: Test, seen: { readonly text: string }, statusCode: number, error: string, code: string, message?: string): void {
  const answer = onlyAnswer(seen)
  t.equal(answer.statusCode, statusCode)
  t.equal(answer.headers.connection, 'close')
  t.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
  t.match(answer.json, { statusCode, code, error, message: message ?? String })
  t.strictSame(Object.keys(answer.json), ['statusCode', 'code', 'error', 'message'])
}

/** The one record of a guarded application, and its log line. */
export async function onlyRecord (t: Test, guarded: GuardedApp, level: 'debug' | 'info' | 'warn'): Promise<AbortRecord> {
  const [record] = await guarded.recorded()
  if (record === undefined) throw new Error('no record')
  t.equal(guarded.records.length, 1, 'one record')
  const lines = guarded.log.filter(line => line.abort !== undefined)
  t.equal(lines.length, 1, 'one line')
  t.equal(lines[0]?.level, { debug: 20, info: 30, warn: 40 }[level])
  t.equal(lines[0]?.msg, record.observed ? 'request read would have been aborted' : 'request read aborted')
  t.same(lines[0]?.abort, JSON.parse(JSON.stringify(record)))
  return record
}

/** The verdict fell at the limit: not before it, and no more than a few beats of counted time later. */
export function mustBeTimely (t: Test, elapsed: number, limit: number): void {
  t.ok(elapsed >= limit, `${elapsed} is not before ${limit}`)
  t.ok(elapsed <= limit + BEATS * RESOLUTION, `${elapsed} is not long after ${limit}`)
}
