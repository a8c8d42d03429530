import net, { isIPv4, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import fc from 'fast-check'
import t from 'tap'
import { peerNameOf } from '../../../lib/node/socket-internals.js'
import { packPeer, PORT_BITS, unpackPeer } from '../../../lib/record/peer-address.js'

t.test('an address of IPv4 is kept as a number, and comes back as it was', async (t) => {
  for (const [address, family] of [
    ['0.0.0.0', 'IPv4'], ['127.0.0.1', 'IPv4'], ['128.0.0.1', 'IPv4'], ['255.255.255.255', 'IPv4'], ['10.0.200.3', 'IPv4'],
    ['::ffff:127.0.0.1', 'IPv6'], ['::ffff:255.255.255.255', 'IPv6'], ['::ffff:0.0.0.0', 'IPv6']
  ] as const) {
    const [packed, port] = packPeer({ address, port: 65_535 }, family)
    t.type(packed, 'number')
    t.equal(packed, Number(packed) | 0, 'of 32 bits, with a sign')
    t.same(unpackPeer(packed, port), { address, port: 65_535 })
  }
  fc.assert(fc.property(fc.ipV4(), fc.boolean(), fc.integer({ min: 1, max: 65_535 }), (ipv4, isMapped, port) => {
    const address = isMapped ? `::ffff:${ipv4}` : ipv4
    t.same(unpackPeer(...packPeer({ address, port }, isMapped ? 'IPv6' : 'IPv4')), { address, port })
  }))
})

t.test('any other address is kept as it is', async (t) => {
  for (const address of ['::1', '::ffff:7f00:1', '::ffff:127.0.0.1%lo', 'fe80::1%lo', undefined]) {
    const [packed, port] = packPeer({ address, port: 1 }, 'IPv6')
    t.equal(packed, address)
    t.same(unpackPeer(packed, port), { address, port: 1 })
  }
})

t.test('a connection without a peer has neither', async (t) => {
  t.same(unpackPeer(...packPeer({}, undefined)), { address: undefined, port: undefined })
})

t.test('what is kept in the bits above the port leaves it as it is', async (t) => {
  const [packed, port] = packPeer({ address: '::ffff:127.0.0.1', port: 65_535 }, 'IPv6')
  t.ok(port < 1 << PORT_BITS)
  t.same(unpackPeer(packed, port | 1 << PORT_BITS), { address: '::ffff:127.0.0.1', port: 65_535 })
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
