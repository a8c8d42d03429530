import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { getSystemErrorMap } from 'node:util'
import type { Io } from '../io.js'
import { opened } from './opened.js'
import { unpack } from './unpack.js'
import { isSkippable, unpackZstd, zstdMagic } from './unpack-zstd.js'
import { asUtf8 } from './utf16.js'
import { UsageError } from '../usage.js'

const chunkSize = 262_144

export interface Input {
  readonly name: string
  /** Bytes as stored; `undefined` if the size is known only at the end. */
  readonly size: number | undefined
  open (): Readable
}

/**
 * Finds all inputs before the first is read, so that a mistyped name is reported at once.
 * @throws {UsageError}
 */
export async function findInputs (files: readonly string[], io: Pick<Io, 'stdin'>): Promise<Input[]> {
  if (files.length === 0 && io.stdin.isTTY === true) throw new UsageError('no file given, and standard input is a terminal (--help tells more)')
  const names = files.length === 0 ? ['-'] : files
  return Promise.all(names.map(async name => name === '-' ? standardInput(io) : fileInput(name)))
}

function standardInput (io: Pick<Io, 'stdin'>): Input {
  return { name: 'standard input', size: undefined, open: () => io.stdin }
}

async function fileInput (name: string): Promise<Input> {
  const found = await stat(name).catch((error: unknown) => { throw unreadable(name, error) })
  if (found.isDirectory()) throw new UsageError(`cannot read ${name}: it is a directory`)
  return { name, size: found.isFile() ? found.size : undefined, open: () => createReadStream(name, { highWaterMark: chunkSize }) }
}

function unreadable (name: string, error: unknown): UsageError {
  return new UsageError(`cannot read ${name}: ${systemMessage(error)}`)
}

export function systemMessage (error: unknown): string {
  const { errno, message } = error as NodeJS.ErrnoException // Node's fs functions reject with it
  return (errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1]) ?? message
}

/**
 * The content of an input, as UTF-8. Gzip, zstd and UTF-16 are recognised by their first bytes.
 * @throws {UsageError} if the input cannot be read
 * @throws zlib's error for damaged data
 */
export async function * contentOf (input: Input, onRead: (bytes: number) => void): AsyncGenerator<Buffer> {
  const stored = await opened(storedChunks(input, onRead))
  if (isGzip(stored.head)) yield * asUtf8(unpack(stored.chunks))
  else if (isZstd(stored.head)) yield * asUtf8(unpackZstd(stored.chunks, input.name))
  else yield * asUtf8(stored.chunks)
}

async function * storedChunks (input: Input, onRead: (bytes: number) => void): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of input.open() as AsyncIterable<Buffer>) { // no encoding is set, so chunks are buffers
      onRead(chunk.length)
      yield chunk
    }
  } catch (error) {
    throw unreadable(input.name, error)
  }
}

function isGzip (head: Buffer): boolean {
  return head[0] === 0x1f && head[1] === 0x8b
}

function isZstd (head: Buffer): boolean {
  if (head.length < 4) return false
  const magic = head.readUInt32LE(0)
  return magic === zstdMagic || isSkippable(magic)
}
