import diagnosticsChannel from 'node:diagnostics_channel'
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { replaceListener, takeOver, watchForeignRequests, type RequestListener } from '../../../lib/node/server-hooks.js'

const own: RequestListener = (_request, response) => { response.end() }
const other: RequestListener = () => {}

interface Watched {
  readonly server: http.Server
  readonly told: string[]
  readonly detach: () => void
}

function watched (t: Test, before: (server: http.Server) => void = () => {}): Watched {
  const server = http.createServer(own)
  before(server)
  const told: string[] = []
  const detach = watchForeignRequests(server, listener => listener === own, ({ url }) => { told.push(String(url)) })
  t.teardown(() => {
    detach()
    server.close()
  })
  return { server, told, detach }
}

function isTold (): boolean {
  return diagnosticsChannel.channel('http.server.request.start').hasSubscribers
}

async function get (server: http.Server, path: string): Promise<void> {
  if (!server.listening) await once(server.listen(0, '127.0.0.1'), 'listening')
  const [response] = await once(http.get({ port: (server.address() as AddressInfo).port, path, agent: false }), 'response') as [http.IncomingMessage]
  await once(response.resume(), 'end')
}

t.test('requests are told of only where others listen', async (t) => {
  const { server, told } = watched(t)
  await get(server, '/before')
  t.equal(isTold(), false)
  server.on('request', other)
  t.equal(isTold(), true)
  await get(server, '/after')
  t.same(told, ['/after'])
})

for (const [name, before] of Object.entries<(server: http.Server) => void>({
  'a listener of request': (server) => server.on('request', other),
  'a listener of checkContinue': (server) => server.on('checkContinue', other),
  'another emit': (server) => { Object.assign(server, { emit: function (this: http.Server, ...given: unknown[]) { return Reflect.apply(http.Server.prototype.emit, this, given) as boolean } }) }
})) {
  t.test(`others that were there before are seen: ${name}`, async (t) => {
    const { server, told } = watched(t, before)
    await get(server, '/')
    t.same(told, ['/'])
  })
}

t.test('requests of other servers are not told of', async (t) => {
  const one = watched(t, server => server.on('request', other))
  const two = watched(t, server => server.on('request', other))
  await get(two.server, '/two')
  t.same([one.told, two.told], [[], ['/two']])
})

t.test('nothing is left behind', async (t) => {
  const count = (server: http.Server): number[] => ['newListener', 'listening'].map(event => server.listenerCount(event))
  const before = count(http.createServer(own))
  const { server, detach } = watched(t, server => server.on('request', other))
  detach()
  t.equal(isTold(), false)
  t.same(count(server), before)
})

t.test('a listener takes the place of another one', async (t) => {
  const server = http.createServer(own)
  const [before, behind]: RequestListener[] = [() => {}, () => {}]
  const instead: RequestListener = () => {}
  server.prependListener('request', before as RequestListener)
  server.once('request', behind as RequestListener)
  t.equal(replaceListener(server, 'request', own, instead), true)
  t.same(server.listeners('request'), [before, instead, behind])
  t.not(server.rawListeners('request')[2], behind, 'once is still once')
  t.equal(replaceListener(server, 'request', own, instead), false)
})

t.test('a listener that was added by once is called once, also by whoever has taken over', async (t) => {
  const server = http.createServer(own)
  let calls = 0
  server.once('clientError', () => { calls++ })
  const [listener] = takeOver<() => void>(server, 'clientError')
  listener?.call(server)
  listener?.call(server)
  t.equal(calls, 1)
})
