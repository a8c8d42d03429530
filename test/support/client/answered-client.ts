import type { Socket } from 'node:net'
import type { LingeringApp } from '../app/early-answers.js'
import type { RawClient } from './raw-client.js'

/** The most that one read of a socket brings: what the byte bound is kept to. */
export const ONE_READ = 65_536

export interface Answered {
  readonly client: RawClient
  /** The server's side. */
  readonly socket: Socket
  /** Bytes that the server has read since. */
  readonly readSince: () => number
  /** When the client began. */
  readonly begun: number
  /** When the server has closed. */
  readonly closed: Promise<number>
}

/** A client that has its answer, and has not ended. */
export async function answered (guarded: LingeringApp, bytes: string): Promise<Answered> {
  const client = guarded.connect()
  const begun = performance.now()
  await client.write(bytes)
  await client.until(/\r\n\r\n.*}$/s)
  const socket = guarded.sockets.of(client)
  const { bytesRead } = socket
  const closed = new Promise<number>((resolve) => {
    const done = (): void => resolve(performance.now())
    if (socket.closed) done()
    else socket.once('close', done)
  })
  return { client, socket, readSince: () => socket.bytesRead - bytesRead, begun, closed }
}
