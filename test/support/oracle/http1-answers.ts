/** A final answer on a connection, as far as it came. */
interface FinalAnswer {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Whether its last byte came. */
  readonly isWhole: boolean
  /** How often it was asked to send the body before it, after the answer before. */
  readonly interim: number
}

export interface Answers {
  readonly finals: readonly FinalAnswer[]
  /** Those of `100 Continue` that no final answer has followed yet. */
  readonly interim: number
  /** Interim answers of other kinds. */
  readonly others: number
  /** Bytes after the last answer, or that are none; after an upgrade those of the other protocol. */
  readonly rest: string
  readonly isUpgraded: boolean
}

interface Content {
  readonly body: string
  readonly rest: string
  readonly isWhole: boolean
}

function dechunk (text: string): Content {
  let body = ''
  let at = 0
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at)
    const size = lineEnd < 0 ? NaN : parseInt(text.slice(at, lineEnd), 16)
    if (Number.isNaN(size)) return { body, rest: '', isWhole: false }
    const end = lineEnd + 2 + size
    if (size === 0) return { body, rest: text.slice(end + 2), isWhole: text.length >= end + 2 }
    body += text.slice(lineEnd + 2, end)
    if (text.length < end + 2) return { body, rest: '', isWhole: false }
    at = end + 2
  }
}

function contentOf (text: string, method: string, statusCode: number, headers: Readonly<Record<string, string>>, hasEnded: boolean): Content {
  // The answer to a head that could not be read has content, whatever the method was to be.
  const isBare = method === 'HEAD' && !text.startsWith('{')
  if (isBare || statusCode === 204 || statusCode === 304) return { body: '', rest: text, isWhole: true }
  if (headers['transfer-encoding'] === 'chunked') return dechunk(text)
  const { 'content-length': length } = headers
  if (length === undefined) return { body: text, rest: '', isWhole: hasEnded }
  return { body: text.slice(0, Number(length)), rest: text.slice(Number(length)), isWhole: text.length >= Number(length) }
}

/**
 * What a client of HTTP/1 got.
 *
 * @param methods of its requests, in order
 * @param hasEnded whether the server has ended its side in order: content may have no other end
 */
export function readAnswers (text: string, methods: readonly string[], hasEnded: boolean): Answers {
  const finals: FinalAnswer[] = []
  let interim = 0
  let others = 0
  let rest = text
  while (rest !== '') {
    const headEnd = rest.indexOf('\r\n\r\n')
    const [statusLine = '', ...lines] = rest.slice(0, Math.max(headEnd, 0)).split('\r\n')
    const [, status] = /^HTTP\/1\.[01] ([1-5]\d\d) /.exec(`${statusLine} `) ?? []
    if (headEnd < 0 || status === undefined) break
    const statusCode = Number(status)
    const afterHead = rest.slice(headEnd + 4)
    if (statusCode === 101) return { finals, interim, others, rest: afterHead, isUpgraded: true }
    if (statusCode < 200) {
      if (statusCode === 100) interim++
      else others++
      rest = afterHead
      continue
    }
    const headers = Object.fromEntries(lines.map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]))
    const content = contentOf(afterHead, methods[finals.length] ?? '', statusCode, headers, hasEnded)
    finals.push({ statusCode, headers, body: content.body, isWhole: content.isWhole, interim })
    interim = 0
    rest = content.rest
    if (!content.isWhole) break
  }
  return { finals, interim, others, rest, isUpgraded: false }
}
