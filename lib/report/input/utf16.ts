import { opened } from './opened.js'

/** Converts UTF-16 with a byte order mark to UTF-8: PowerShell redirects output to files that way. */
export async function * asUtf8 (content: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  const { head, chunks } = await opened(content)
  const encoding = head[0] === 0xff && head[1] === 0xfe ? 'utf-16le' : head[0] === 0xfe && head[1] === 0xff ? 'utf-16be' : undefined
  if (encoding === undefined) {
    yield * chunks
    return
  }
  const decoder = new TextDecoder(encoding)
  for await (const chunk of chunks) yield Buffer.from(decoder.decode(chunk, { stream: true }))
  yield Buffer.from(decoder.decode())
}
