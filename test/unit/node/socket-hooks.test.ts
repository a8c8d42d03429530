import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { Duplex } from 'node:stream'
import t from 'tap'
import { disown, own, type GuardedSocket, type SocketOwner } from '../../../lib/node/socket-hooks.js'

/** An owner that notes what it is told, and when. */
function notingOwner (told: string[]): SocketOwner {
  return {
    onClosing: () => false,
    onResume: () => {},
    onEnd: () => { told.push('owner: end') },
    onClose: () => { told.push('owner: close') }
  }
}

/** Both ends of a connection. */
async function connection (): Promise<{ client: net.Socket, socket: GuardedSocket }> {
  const server = net.createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = net.connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [socket] = await once(server, 'connection') as [GuardedSocket]
  server.close()
  return { client, socket }
}

/** Has the client leave, and waits until the socket has told of it. */
async function leave (client: net.Socket, socket: net.Socket): Promise<void> {
  const closed = once(socket, 'close')
  socket.resume()
  client.end()
  await once(socket, 'end')
  socket.destroy()
  client.destroy()
  await closed
}

t.test('the owner is told of the end behind all listeners, and of the close before any', async (t) => {
  const { client, socket } = await connection()
  const told: string[] = []
  own(socket, notingOwner(told))
  for (const event of ['end', 'close']) {
    socket.on(event, () => { told.push(`listener: ${event}`) })
    socket.prependListener(event, () => { told.push(`prepended listener: ${event}`) })
  }
  await leave(client, socket)
  t.strictSame(told, ['prepended listener: end', 'listener: end', 'owner: end', 'owner: close', 'prepended listener: close', 'listener: close'])
})

t.test('a connection gets no listeners of the guard, and its listeners what Node gives them', async (t) => {
  const { client, socket } = await connection()
  const counts = (): number[] => ['end', 'close'].map(event => socket.listenerCount(event))
  const before = counts()
  own(socket, notingOwner([]))
  t.same(counts(), before)
  const given: unknown[] = []
  socket.on('close', function (this: unknown, ...all: unknown[]) { given.push(this === socket, ...all) })
  t.equal(socket.emit('nobody listens'), false)
  await leave(client, socket)
  t.strictSame(given, [true, false])
})

t.test('a connection that was released tells its former owner nothing, and a later owner everything once', async (t) => {
  const { client, socket } = await connection()
  const [former, later]: [string[], string[]] = [[], []]
  own(socket, notingOwner(former))
  disown(socket)
  t.equal(socket.emit, net.Socket.prototype.emit)
  own(socket, notingOwner(later))
  await leave(client, socket)
  t.same(former, [])
  t.same(later, ['owner: end', 'owner: close'])
})

t.test('a wrapper that replaces emit, and puts it back later, does not hide the client\'s leaving', async (t) => {
  for (const isFirst of [true, false]) {
    const { client, socket } = await connection()
    const told: string[] = []
    if (!isFirst) own(socket, notingOwner(told))
    const { emit } = socket
    socket.emit = function (this: net.Socket, ...given: unknown[]) { return Reflect.apply(emit, this, given) as boolean } as net.Socket['emit']
    if (isFirst) own(socket, notingOwner(told))
    socket.emit = emit
    await leave(client, socket)
    t.same(told, ['owner: end', 'owner: close'], isFirst ? 'the wrapper was first' : 'the guard was first')
  }
})

t.test('of a duplex that is no socket the owner is told as well', async (t) => {
  const duplex = new Duplex({ read () {}, write (_chunk, _encoding, done) { done() } })
  const told: string[] = []
  own(duplex as GuardedSocket, notingOwner(told))
  const closed = once(duplex, 'close')
  duplex.resume()
  duplex.push(null)
  await once(duplex, 'end')
  duplex.destroy()
  await closed
  t.same(told, ['owner: end', 'owner: close'])
})
