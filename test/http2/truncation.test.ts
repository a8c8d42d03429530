import t from 'tap'
import type { AbortRecord, ReadGuardOptions } from '../../lib/index.js'
import { noise } from '../support/app/guarded-app.js'
import { http2Consumers, http2Kinds, http2Parties, streamedConsumer } from '../support/app/http2-consumers.js'
import type { Http2Client } from '../support/client/http2-client.js'
import { data, Flag, headers, requestBlock, rstStream } from '../support/client/http2-frames.js'
import { until } from '../support/oracle/until.js'

t.jobs = 8

const SENT = 40
const DECLARED = 100

interface Cut {
  readonly name: string
  readonly cut: (client: Http2Client) => unknown
}

const NO_ERROR = 0
const PROTOCOL_ERROR = 1
const INTERNAL_ERROR = 2
const CANCEL = 8

const reset = (code: number): Cut => ({ name: `RST_STREAM(${code})`, cut: client => client.write(rstStream(1, code)) })
const anyReset = [NO_ERROR, INTERNAL_ERROR, CANCEL].map(reset)
const deadSocket: readonly Cut[] = [
  { name: 'a FIN', cut: client => client.raw.fin() },
  { name: 'a dead connection', cut: client => client.rst() }
]

const bodies: ReadonlyArray<{ name: string, headers: Readonly<Record<string, string>>, expected: number | undefined, cuts: readonly Cut[] }> = [
  { name: 'of unknown length', headers: {}, expected: undefined, cuts: [...anyReset, reset(PROTOCOL_ERROR), ...deadSocket] },
  // nghttp2 itself resets with PROTOCOL_ERROR where the length is wrong, which looks the same from here.
  { name: 'of a declared length', headers: { 'content-length': String(DECLARED) }, expected: DECLARED, cuts: [...anyReset, ...deadSocket] }
]

const aborted = { code: 'FST_READ_ABORTED', reason: 'client_aborted', blame: 'client_gone', statusCode: 499, phase: 'body', answered: false, observed: false, protocol: 'h2', received: SENT, route: '/', remoteAddress: '127.0.0.1' } as const

const modes: ReadonlyArray<ReadGuardOptions['mode'] & string> = ['enforce', 'observe']

for (const kind of http2Kinds) {
  for (const consumer of http2Consumers) {
    for (const { name, headers: own, expected, cuts } of bodies) {
      for (const { name: how, cut } of cuts) {
        t.test(`${kind.name}, ${consumer.name}: a body ${name} that ends with ${how} is never complete`, async (t) => {
          for (const mode of modes) {
            const { app, client, records, recorded, complete, handled, log } = await http2Parties(kind, consumer, { mode })
            await client.write(headers(1, requestBlock('POST', '/', { 'content-type': consumer.type, ...own })), data(1, 'x'.repeat(SENT)))
            await until(() => app.readGuard.stats().reading.body === 1, 'the body is read')
            await cut(client)
            await recorded()
            client.raw.socket.destroy()
            await app.close()
            t.match(records, [{ ...aborted, expected, tls: kind.tls }], mode)
            t.equal(records.length, 1)
            t.same(complete, [], 'the handler never has it')
            t.match(handled, consumer.name.startsWith('listeners') ? [] : [{ code: 'FST_READ_ABORTED', received: SENT }])
            t.same(noise(log), [])
          }
        })
      }
    }

    t.test(`${kind.name}, ${consumer.name}: END_STREAM makes a body complete, whatever follows`, async (t) => {
      const { app, client, records, complete } = await http2Parties(kind, consumer, {})
      await client.write(headers(1, requestBlock('POST', '/', { 'content-type': consumer.type })), data(1, 'x'.repeat(SENT)), data(1, 'x', Flag.END_STREAM))
      t.same((await client.answer(1)).json, { bytes: SENT + 1 })
      await client.write(headers(3, requestBlock('POST', '/', { 'content-type': consumer.type })), data(3, 'x'.repeat(SENT), Flag.END_STREAM), rstStream(3, CANCEL))
      await until(() => complete.length === 2, 'the second is complete')
      client.raw.socket.destroy()
      await app.close()
      t.same(complete, [SENT + 1, SENT])
      // Its response is another matter.
      t.match(records, [{ code: 'FST_READ_RESPONSE_ABORTED', received: SENT }])
      t.equal(records.length, 1)
    })

    for (const [how, leave] of Object.entries({ RST_STREAM: (client: Http2Client) => client.write(rstStream(1, CANCEL)), 'a RST': async (client: Http2Client) => client.rst() })) {
      t.test(`${kind.name}, ${consumer.name}: a client that leaves with ${how} when its body was sent, and not yet read, has left before it had its response`, async (t) => {
        let readOn = (): void => {}
        const waiting = new Promise<void>((resolve) => { readOn = resolve })
        const { app, client, records, log } = await http2Parties(kind, consumer, {}, (app) => { app.addHook('onRequest', () => waiting) })
        await client.write(headers(1, requestBlock('POST', '/', { 'content-type': consumer.type, 'content-length': String(SENT) })), data(1, 'x'.repeat(SENT), Flag.END_STREAM))
        await until(() => app.readGuard.stats().reading.body === 1, 'nobody has read it')
        await leave(client)
        await until(() => app.readGuard.stats().reading.body === 0, 'it is over')
        readOn()
        client.raw.socket.destroy()
        await app.close()
        t.match(records, [{ code: 'FST_READ_RESPONSE_ABORTED', phase: 'handler', blame: 'client_gone', statusCode: 499, expected: SENT, protocol: 'h2', tls: kind.tls }])
        t.equal(records.length, 1)
        t.same(noise(log), [])
      })
    }

    for (const [what, bytes] of [['fewer', DECLARED - 1], ['more', DECLARED + 1]] as const) {
      t.test(`${kind.name}, ${consumer.name}: ${what} bytes than declared are one failed read`, async (t) => {
        const { app, client, records, recorded, complete, handled, log } = await http2Parties(kind, consumer, {})
        await client.write(headers(1, requestBlock('POST', '/', { 'content-type': consumer.type, 'content-length': String(DECLARED) })), data(1, 'x'.repeat(SENT)))
        await until(() => app.readGuard.stats().reading.body === 1, 'the body is read')
        await client.write(data(1, 'x'.repeat(bytes - SENT), Flag.END_STREAM))
        await recorded()
        // From Node 22 on nghttp2's refusal of a surplus ends the whole session.
        await client.until(() => client.peek(1).reset !== undefined || client.isGoing, 'nghttp2 resets it')
        client.raw.socket.destroy()
        await app.close()
        t.match(records, [{ code: 'FST_READ_LENGTH_MISMATCH', reason: 'length_mismatch', blame: 'client_invalid', statusCode: 400, expected: DECLARED, answered: false }])
        t.equal(records.length, 1)
        // A chunk that is too much is not handed on.
        t.equal(records[0]?.received, what === 'fewer' ? bytes : SENT)
        t.same(complete, [])
        t.match(handled, consumer.name.startsWith('listeners') ? [] : [{ code: 'FST_READ_LENGTH_MISMATCH' }])
        t.same(noise(log), [])
      })
    }
  }

  for (const { name: how, cut } of [...anyReset, ...deadSocket]) {
    t.test(`${kind.name}: a body that ends with ${how} is not complete after an early answer either`, async (t) => {
      const errors: unknown[] = []
      let bytes = 0
      const { app, client, records, recorded, complete } = await http2Parties(kind, streamedConsumer, {}, (app) => {
        app.post('/early', (request, reply) => {
          request.raw.on('data', (chunk: Buffer) => { bytes += chunk.length })
          request.raw.on('end', () => { complete.push(bytes) })
          request.raw.on('error', (error) => { errors.push(error) })
          reply.code(202).send('early')
        })
      })
      await client.write(headers(1, requestBlock('POST', '/early', { 'content-type': 'application/x-stream' })))
      t.match(await client.answer(1), { statusCode: 202, body: 'early', reset: undefined })
      await client.write(data(1, 'x'.repeat(SENT)))
      await until(() => bytes === SENT, 'it is still read')
      t.equal(app.readGuard.stats().reading.body, 1)
      await cut(client)
      await recorded()
      client.raw.socket.destroy()
      await app.close()
      t.match(records, [{ ...aborted, route: '/early', tls: kind.tls }] as Array<Partial<AbortRecord>>)
      t.equal(records.length, 1)
      t.match(errors, [{ code: 'FST_READ_ABORTED' }])
      t.same(complete, [])
    })
  }

  t.test(`${kind.name}: a body that goes on after an early answer is complete with END_STREAM`, async (t) => {
    const { app, client, records, complete } = await http2Parties(kind, streamedConsumer, {}, (app) => {
      app.post('/early', (request, reply) => {
        let bytes = 0
        // Slower than it comes: the stream has closed by the time that its end is read.
        request.raw.on('data', (chunk: Buffer) => {
          bytes += chunk.length
          request.raw.pause()
          setTimeout(() => request.raw.resume(), 20)
        })
        request.raw.on('end', () => { complete.push(bytes) })
        reply.code(202).send('early')
      })
    })
    await client.write(headers(1, requestBlock('POST', '/early', { 'content-type': 'application/x-stream' })))
    await client.answer(1)
    await client.write(...Array.from({ length: 5 }, () => data(1, 'x'.repeat(SENT))), data(1, '', Flag.END_STREAM))
    await until(() => complete.length > 0, 'it is complete')
    client.raw.socket.destroy()
    await app.close()
    t.same(complete, [SENT * 5])
    t.same(records, [])
  })
}
