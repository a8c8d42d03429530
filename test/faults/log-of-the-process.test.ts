import { closeSync, existsSync, openSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { ownProcess, type OwnProcess, type OwnProcessSetting } from '../support/app/own-process.js'
import type { OwnProcessOptions } from '../support/app/own-process-app.js'
import type { Protocol } from '../support/app/transport.js'
import { Http2Client } from '../support/client/http2-client.js'
import { data, Flag, headers, requestBlock } from '../support/client/http2-frames.js'
import { head, parseAnswers, RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'

/*
 * A log that goes to standard output, which is full, or closed, or a pipe that nothing takes from: the process lives, and clients are
 * judged and served as with any other log.
 */

t.jobs = 4

const LIMIT = 500
const guard = { headersTimeout: LIMIT, bodyIdleTimeout: LIMIT, resolution: 20 }
const type = { 'Content-Type': 'text/plain' }
const protocols: readonly Protocol[] = ['http', 'https', 'h2']

/** A client that stalls in its body, and one that is served; each with the status that it got. */
async function clientsOf (port: number, protocol: Protocol): Promise<readonly [stalled: number | undefined, good: number | undefined]> {
  if (protocol === 'h2') {
    const client = await new Http2Client(port, { tls: true }).open()
    const post = (stream: number): Buffer => headers(stream, requestBlock('POST', '/', { 'content-type': 'text/plain' }))
    await client.write(post(1), data(1, 'a'), post(3), data(3, 'abc', Flag.END_STREAM))
    const [stalled, good] = await Promise.all([client.answer(1), client.answer(3)])
    client.raw.socket.destroy()
    return [stalled.statusCode, good.statusCode]
  }
  const statuses = ['a', 'abc'].map(async (body) => {
    const client = new RawClient(port, { tls: protocol === 'https' })
    await client.ready()
    await client.write(head('POST', '/', { ...type, 'Content-Length': 3, Connection: 'close' }) + body)
    return parseAnswers((await client.closed).text)[0]?.statusCode
  })
  const [stalled, good] = await Promise.all(statuses)
  return [stalled, good]
}

async function expectJudged (t: Test, { port, facts }: OwnProcess, protocol: Protocol): Promise<void> {
  for (let round = 1; round <= 3; round++) t.strictSame(await clientsOf(port, protocol), [408, 200], `round ${round}`)
  const { records, aborted } = await facts()
  t.strictSame(records.map(({ code, answered }) => [code, answered]), Array.from({ length: 3 }, () => ['FST_READ_BODY_IDLE_TIMEOUT', true]))
  t.strictSame(aborted, { FST_READ_BODY_IDLE_TIMEOUT: 3 })
}

function fullDisk (t: Test): OwnProcessSetting {
  const stdout = openSync('/dev/full', 'w')
  t.teardown(() => closeSync(stdout))
  return { stdout }
}

const noDisk = !existsSync('/dev/full') && 'there is no /dev/full on this machine'

for (const protocol of protocols) {
  t.test(`a full disk costs the lines of the guard, and nothing else, over ${protocol}`, { skip: noDisk }, async (t) => {
    const server = await ownProcess(t, { protocol, guard, log: { level: 'warn', isSync: true } }, fullDisk(t))
    await expectJudged(t, server, protocol)
    t.ok((await server.facts()).warnings.includes('FST_READ_LOG_FAILED'), 'which the process is warned of')
    t.equal(await server.end(), 0)
  })

  t.test(`a full disk whose errors are listened to does not even concern the lines of Fastify, over ${protocol}`, { skip: noDisk }, async (t) => {
    const server = await ownProcess(t, { protocol, guard, log: { level: 'info' } }, fullDisk(t))
    await expectJudged(t, server, protocol)
    const { logErrors, warnings } = await server.facts()
    t.ok(logErrors.length > 0 && logErrors.every((code) => code === 'ENOSPC'))
    t.notOk(warnings.includes('FST_READ_LOG_FAILED'))
    // The process would not end by itself: pino tries for ever to write what is left.
    await server.close()
  })

  t.test(`a pipe that was closed at its other end does no harm, over ${protocol}`, async (t) => {
    const server = await ownProcess(t, { protocol, guard, log: { level: 'info' } }, { stdout: 'pipe' })
    server.child.stdout?.destroy()
    await expectJudged(t, server, protocol)
    t.equal(await server.end(), 0)
  })
}

/** More than a pipe takes. */
const LINES = 2_000

/** The log of a process that waits in a `write()` until its pipe is read from. */
async function blockedProcess (t: Test, options: Omit<OwnProcessOptions, 'log'>): Promise<{ server: OwnProcess, fill: RawClient }> {
  const server = await ownProcess(t, { ...options, log: { level: 'warn', isSync: true } }, { stdout: 'pipe' })
  return { server, fill: new RawClient(server.port, { tls: options.protocol !== 'http' }) }
}

for (const protocol of ['http', 'https'] as const) {
  t.test(`time in which the process waits for a pipe that is full is no client's, over ${protocol}`, async (t) => {
    const { server, fill } = await blockedProcess(t, { protocol, guard })
    const { port, child } = server
    const tls = protocol === 'https'
    const upload = head('POST', '/', { ...type, 'Content-Length': 6, Connection: 'close' })
    const good = new RawClient(port, { tls })
    const inHead = new RawClient(port, { tls })
    const slow = new RawClient(port, { tls })
    await Promise.all([good, inHead, slow, fill].map((client) => client.ready()))
    const { localPort } = slow.socket
    await Promise.all([good.write(`${upload}abc`), inHead.write(upload.slice(0, 30)), slow.write(`${upload}abc`)])
    await until(async () => {
      const { reading } = await server.facts()
      return reading.body === 2 && reading.headers === 1
    }, 'all are read')
    await fill.write(head('GET', `/log/${LINES}`, { Connection: 'close' }))
    const lag = delay(LIMIT * 4)
    await delay(LIMIT / 2)
    await Promise.all([good.write('def'), inHead.write(`${upload.slice(30)}abcdef`)])
    await lag
    t.equal(fill.text, '', 'the process is blocked all the while')
    child.stdout?.resume()
    t.equal(parseAnswers((await good.closed).text)[0]?.body, '{"bytes":6}')
    t.equal(parseAnswers((await inHead.closed).text)[0]?.body, '{"bytes":6}')
    t.equal(parseAnswers((await fill.closed).text)[0]?.body, 'written')
    t.equal(parseAnswers((await slow.closed).text)[0]?.statusCode, 408)
    const { records } = await server.facts()
    t.match(records, [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', remotePort: localPort }])
    t.equal(records.length, 1, 'the slow one has the only record')
    t.ok((records[0]?.paused ?? 0) >= LIMIT * 3, `${records[0]?.paused} ms were not counted`)
    t.equal(await server.end(), 0)
  })
}
