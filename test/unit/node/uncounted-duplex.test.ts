import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import t from 'tap'
import { bytesBeingWritten, bytesHandedOver, bytesTaken } from '../../../lib/node/socket-internals.js'

t.test('a duplex that counts nothing has sent nothing, as far as is known', async t => {
  const duplex = new Duplex() as unknown as Socket // as a wrapper of a server may hand one over
  t.equal(bytesHandedOver(duplex), 0)
  t.equal(bytesTaken(duplex), 0)
  t.equal(bytesBeingWritten(duplex), 0)
})
