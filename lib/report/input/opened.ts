const headSize = 4

/** The first bytes of an input, which tell its format, and all of its chunks. */
export async function opened (chunks: AsyncGenerator<Buffer>): Promise<{ readonly head: Buffer, readonly chunks: AsyncGenerator<Buffer> }> {
  let head: Buffer = Buffer.alloc(0)
  while (head.length < headSize) {
    const next = await chunks.next()
    if (next.done === true) break
    head = Buffer.concat([head, next.value])
  }
  return { head, chunks: headFirst(head, chunks) }
}

async function * headFirst (head: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  if (head.length > 0) yield head
  yield * rest
}
