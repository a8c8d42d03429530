import type { Http2Session, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import { peerOf, type Peer } from '../record/abort-record.js'

/** A stream, and its session, forget their socket before the last that is to be said of them. */
const peers = new WeakMap<Http2Session, Peer>()

export function rememberPeer (session: Http2Session, socket: Socket): Peer {
  const peer = peerOf(socket, 'h2')
  peers.set(session, peer)
  return peer
}

export function peerOfStream ({ session }: ServerHttp2Stream): Peer | undefined {
  return session === undefined ? undefined : peers.get(session)
}
