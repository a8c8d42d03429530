import net, { isIPv4, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import fc from 'fast-check'
import t from 'tap'
import { peerNameOf } from '../../../lib/node/socket-internals.js'
import { packAddress, unpackAddress } from '../../../lib/record/peer-address.js'

t.test('an address of IPv4 is kept as a number, and comes back as it was', async (t) => {
  for (const address of ['0.0.0.0', '127.0.0.1', '128.0.0.1', '255.255.255.255', '10.0.200.3']) {
    const packed = packAddress(address, 'IPv4')
    t.type(packed, 'number')
    t.equal(packed, Number(packed) | 0, 'of 32 bits, with a sign')
    t.equal(unpackAddress(packed), address)
  }
  fc.assert(fc.property(fc.ipV4(), address => unpackAddress(packAddress(address, 'IPv4')) === address))
})

t.test('any other address is kept as it is', async (t) => {
  for (const address of ['::1', '::ffff:127.0.0.1', 'fe80::1%lo', undefined]) {
    t.equal(packAddress(address, 'IPv6'), address)
    t.equal(unpackAddress(address), address)
  }
})

t.test('who is at the other end is what Node says, without Node keeping it', async (t) => {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = net.connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [socket] = await once(server, 'connection') as [net.Socket]
  t.same(peerNameOf(socket), { address: '127.0.0.1', family: 'IPv4', port: client.localPort })
  t.notOk((socket as { _peername?: unknown })._peername)
  t.ok(isIPv4(socket.remoteAddress ?? ''))
  t.ok((socket as { _peername?: unknown })._peername, 'which it does once it was asked itself')
  socket.destroy()
  t.same(peerNameOf(socket), {}, 'nothing of a connection that is gone')
  client.destroy()
  server.close()
  await once(server, 'close')
})
