import type { Transform } from 'node:stream'
import { createGunzip, type ZlibOptions } from 'node:zlib'

/** zlib unpacks all of a write or, if that is damaged, nothing of it. So each write is small. */
const sliceSize = 8192
/** The end is written byte by byte, so that junk after the gzip data does not cost the last lines. */
const endSize = 1024
/** One byte unpacks to 1032 at most. With room for that, a write never waits for its output to be taken. */
const options: ZlibOptions & { readableHighWaterMark: number } = { chunkSize: 262_144, readableHighWaterMark: sliceSize * 1032 }

/**
 * The content of gzip data. If the data is damaged or truncated, everything before that (except part of a slice) is returned.
 * @throws zlib's error, after that
 */
export async function * unpack (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip(options)
  let made: Buffer[] = []
  for await (const slice of slicesOf(chunks)) {
    const writing = writeTo(gunzip, slice)
    yield * made // zlib works in its own thread meanwhile
    const error = await writing
    made = takeOutput(gunzip)
    if (error === undefined) continue
    yield * made
    throw error
  }
  yield * made
  gunzip.end()
  yield * gunzip as AsyncIterable<Buffer> // zlib gives buffers
}

async function * slicesOf (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of chunks) {
    rest = Buffer.concat([rest, chunk])
    let start = 0
    for (; rest.length - start >= sliceSize + endSize; start += sliceSize) yield rest.subarray(start, start + sliceSize)
    rest = rest.subarray(start)
  }
  const end = Math.max(0, rest.length - endSize)
  if (end > 0) yield rest.subarray(0, end)
  for (let at = end; at < rest.length; at++) yield rest.subarray(at, at + 1)
}

/** Resolves with the error that zlib emits, or with `undefined` once it has taken the slice. On an error it does not call back. */
export function writeTo (unpacker: Transform, slice: Buffer): Promise<Error | undefined> {
  return new Promise(resolve => {
    unpacker.once('error', resolve)
    unpacker.write(slice, error => {
      if (error !== undefined && error !== null) return // it is emitted as well
      unpacker.off('error', resolve)
      resolve(undefined)
    })
  })
}

/** The chunks unpacked so far. */
export function takeOutput (unpacker: Transform): Buffer[] {
  const made: Buffer[] = []
  for (let chunk: unknown = unpacker.read(); Buffer.isBuffer(chunk); chunk = unpacker.read()) made.push(chunk)
  return made
}
