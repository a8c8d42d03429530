import type { Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import { UsageError } from '../usage.js'
import { takeOutput, writeTo } from './unpack.js'

interface ZstdOptions {
  readonly chunkSize: number
  readonly readableHighWaterMark: number
}

/** Node has it from 22.15 on, and its types for Node 20 do not know of it. */
const createZstdDecompress = (zlib as { createZstdDecompress?: (options: ZstdOptions) => Transform }).createZstdDecompress

/** A block unpacks to 128 KiB at most (RFC 8878, 3.1.1.2.4). With room for more, a write never waits for its output to be taken. */
const options: ZstdOptions = { chunkSize: 262_144, readableHighWaterMark: 1_048_576 }

/** The first four bytes of a frame. */
export const zstdMagic = 0xfd2fb528
const rleBlock = 1

/**
 * The content of zstd data, frame by frame: Node stops after the first, and a log that was appended to has many. If the data is
 * damaged or truncated, the blocks before that are returned.
 * @throws {UsageError} if this Node has no zstd
 * @throws {Error} for damaged data
 */
export async function * unpackZstd (chunks: AsyncIterable<Buffer>, name: string): AsyncGenerator<Buffer> {
  if (createZstdDecompress === undefined) throw new UsageError(`cannot read ${name}: it is zstd, which Node ${process.versions.node} cannot unpack; zstdcat ${name} | fastify-read-guard report can`)
  const bytes = new Bytes(chunks)
  while (await bytes.has(1)) {
    const start = await bytes.take(8)
    if (start.readUInt32LE(0) === zstdMagic) {
      yield * unpackFrame(bytes, start, createZstdDecompress(options))
    } else if (isSkippable(start.readUInt32LE(0))) {
      for (let left = start.readUInt32LE(4); left > 0; left -= Math.min(left, 65_536)) await bytes.take(Math.min(left, 65_536))
    } else {
      throw new Error('no zstd frame')
    }
  }
}

/** A skippable frame, with which the output of `pzstd` begins (RFC 8878, 3.1.2). */
export function isSkippable (magic: number): boolean {
  return (magic & 0xfffffff0) >>> 0 === 0x184d2a50
}

/** @param start its first eight bytes */
async function * unpackFrame (bytes: Bytes, start: Buffer, unpacker: Transform): AsyncGenerator<Buffer> {
  const descriptor = start[4] ?? 0
  const isSingle = (descriptor & 0x20) !== 0
  const sizeOfContentSize = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0
  const headerSize = 5 + (isSingle ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] ?? 0) + sizeOfContentSize
  bytes.putBack(start)
  let part = await bytes.take(headerSize)
  for (let isLast = false; !isLast;) {
    const head = await bytes.take(3)
    const block = head.readUIntLE(0, 3)
    isLast = (block & 1) === 1
    const checksum = isLast && (descriptor & 4) !== 0 ? 4 : 0
    part = Buffer.concat([part, head, await bytes.take((block >> 1 & 3) === rleBlock ? 1 + checksum : (block >> 3) + checksum)])
    const error = await writeTo(unpacker, part)
    yield * takeOutput(unpacker)
    if (error !== undefined) throw error
    part = Buffer.alloc(0)
  }
  unpacker.end()
  yield * unpacker as AsyncIterable<Buffer> // zlib gives buffers
}

/** Reads chunks a given number of bytes at a time. */
class Bytes {
  readonly #chunks: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  constructor (chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  async has (size: number): Promise<boolean> {
    while (this.#rest.length < size) {
      const next = await this.#chunks.next()
      if (next.done === true) return false
      this.#rest = Buffer.concat([this.#rest, next.value])
    }
    return true
  }

  /** @throws {Error} if there are fewer */
  async take (size: number): Promise<Buffer> {
    if (!await this.has(size)) throw new Error('the data breaks off')
    const taken = this.#rest.subarray(0, size)
    this.#rest = this.#rest.subarray(size)
    return taken
  }

  putBack (bytes: Buffer): void {
    this.#rest = Buffer.concat([bytes, this.#rest])
  }
}
