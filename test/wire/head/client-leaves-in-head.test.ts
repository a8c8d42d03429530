import { EventEmitter, once } from 'node:events'
import t from 'tap'
import { headApp, HEADERS_TIMEOUT } from '../../support/app/header-limits.js'
import { head, parseAnswers, RawClient } from '../../support/client/raw-client.js'
import { onlyRecord } from '../../support/oracle/expect-refusal.js'
import { quiet, serverSockets } from '../../support/oracle/server-state.js'
import { until } from '../../support/oracle/until.js'

t.jobs = 16

const partialHeads: ReadonlyArray<readonly [name: string, bytes: string]> = [
  ['one byte', 'P'],
  ['a request line', 'POST / HTTP/1.1\r\n'],
  ['half a header', 'POST / HTTP/1.1\r\nHost: lo'],
  ['all but the last byte', 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r']
]

const ways = [['FIN', (client: RawClient) => client.fin()], ['RST', (client: RawClient) => client.rst()]] as const

for (const later of [false, true]) {
  for (const [way, leave] of ways) {
    t.test(`a client that leaves in ${later ? 'a later' : 'its first'} head, with a ${way}, is recorded and not answered`, async (t) => {
      t.jobs = partialHeads.length
      for (const [name, bytes] of partialHeads) {
        t.test(name, async (t) => {
          const guarded = await headApp(t)
          const sockets = serverSockets(guarded.app)
          const client = new RawClient(guarded.port)
          if (later) {
            await client.write(head('GET', '/'))
            await client.until(/"served":1}/)
          }
          const { length } = client.text
          await client.write(bytes)
          await sockets.haveRead(client) // before an RST overtakes it
          leave(client)
          const record = await onlyRecord(t, guarded, 'info')
          t.match(record, {
            code: 'FST_READ_ABORTED',
            reason: 'client_aborted',
            phase: 'headers',
            blame: 'client_gone',
            statusCode: 499,
            answered: false,
            received: bytes.length,
            expected: undefined,
            limit: undefined,
            method: undefined,
            remoteAddress: '127.0.0.1',
            remotePort: Number,
            observed: false
          })
          t.ok(record.elapsed < HEADERS_TIMEOUT, `${record.elapsed}: it did not wait for the limit`)
          t.equal((await client.closed).text.slice(length), '')
          t.equal(guarded.served.length, later ? 1 : 0)
          await until(() => guarded.app.readGuard.stats().reading.headers === 0, 'nothing is read any more')
          t.equal(guarded.records.length, 1)
        })
      }
    })
  }
}

for (const [way, leave] of ways) {
  t.test(`a client that leaves with a ${way} before its first byte is recorded on debug level`, async (t) => {
    const guarded = await headApp(t)
    const sockets = serverSockets(guarded.app)
    const client = new RawClient(guarded.port)
    await client.ready()
    await sockets.haveRead(client)
    leave(client)
    t.match(await onlyRecord(t, guarded, 'debug'), { code: 'FST_READ_ABORTED', blame: 'client_gone', received: 0, answered: false })
    t.equal((await client.closed).text, '')
  })

  t.test(`a client that leaves with a ${way} between two requests has not failed a read`, async (t) => {
    const guarded = await headApp(t)
    const client = new RawClient(guarded.port)
    await client.write(head('GET', '/'))
    await client.until(/"served":1}/)
    leave(client)
    await client.closed
    await quiet(guarded.app)
    await guarded.app.close()
    t.strictSame(guarded.records, [])
  })
}

t.test('a client that leaves after no more than a CRLF has left in its head', async (t) => {
  const guarded = await headApp(t)
  const sockets = serverSockets(guarded.app)
  const client = new RawClient(guarded.port)
  await client.write('\r\n')
  await sockets.haveRead(client)
  client.fin()
  t.match(await onlyRecord(t, guarded, 'info'), { code: 'FST_READ_ABORTED', received: 2, answered: false })
})

t.test('abortStatusCode is the status that is recorded', async (t) => {
  const guarded = await headApp(t, { abortStatusCode: 400 })
  const client = new RawClient(guarded.port)
  await client.write('GET /')
  client.fin()
  t.match(await onlyRecord(t, guarded, 'info'), { code: 'FST_READ_ABORTED', statusCode: 400 })
})

t.test('a client that leaves while an earlier answer is pending has that one lost: one record each', async (t) => {
  const left = new EventEmitter()
  const guarded = await headApp(t, {}, {
    routes: (app) => {
      app.get('/slow', async () => {
        await once(left, 'left')
        return 'slow'
      })
    }
  })
  const { stats } = guarded.app.readGuard
  const sockets = serverSockets(guarded.app)
  const client = new RawClient(guarded.port)
  await client.write(head('GET', '/slow'))
  await sockets.haveRead(client)
  await client.write('GET / HT')
  await until(() => stats().reading.headers === 1, 'the second is under way')
  client.fin()
  const records = await guarded.recorded(2)
  t.match([...records].sort((a, b) => a.code.localeCompare(b.code)), [
    { code: 'FST_READ_ABORTED', phase: 'headers', received: 8, answered: false },
    { code: 'FST_READ_RESPONSE_ABORTED', phase: 'handler', url: '/slow', answered: false }
  ])
  left.emit('left')
  t.strictSame(parseAnswers((await client.closed).text), [])
  t.equal(guarded.records.length, 2)
})
