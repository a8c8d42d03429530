import { createGunzip, type Gunzip, type ZlibOptions } from 'node:zlib'

/** Of what it is given at once zlib unpacks all or, where it is damaged, nothing. So it is given little. */
const sliceSize = 8192
/** The end is given byte by byte: what was put behind the data must not take the last lines with it. */
const endSize = 1024
/** Deflate makes no more than 1032 bytes of one, so that a slice never waits for its output to be taken. */
const options: ZlibOptions & { readableHighWaterMark: number } = { chunkSize: 262_144, readableHighWaterMark: sliceSize * 1032 }

/** What gzip data contains, up to (within a slice) where it is damaged or breaks off. Then it throws zlib's error. */
export async function * unpacked (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip(options)
  let made: Buffer[] = []
  for await (const slice of slicesOf(chunks)) {
    const writing = written(gunzip, slice)
    yield * made // while zlib works in its own thread
    const error = await writing
    made = ready(gunzip)
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

/** Resolves once zlib has taken it, with the error if it could not: of that it does not call back. */
function written (gunzip: Gunzip, slice: Buffer): Promise<Error | undefined> {
  return new Promise(resolve => {
    gunzip.once('error', resolve)
    gunzip.write(slice, error => {
      if (error !== undefined && error !== null) return // is emitted as well
      gunzip.off('error', resolve)
      resolve(undefined)
    })
  })
}

function ready (gunzip: Gunzip): Buffer[] {
  const made: Buffer[] = []
  for (let chunk: unknown = gunzip.read(); Buffer.isBuffer(chunk); chunk = gunzip.read()) made.push(chunk)
  return made
}
