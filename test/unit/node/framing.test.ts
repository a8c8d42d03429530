import fc from 'fast-check'
import t from 'tap'
import { Framing, framingOf } from '../../../lib/node/request-kind.js'

const names = ['Host', 'host', 'HOST', 'Date', 'Content-Length', 'content-length', 'CONTENT-length', 'Sec-Fetch-Site', 'contentxlength', 'Transfer-Encoding', 'transfer-encoding', 'tRANSFER-encodinG', 'If-Modified-Since', 'Accept', '']
const values = ['0', '00', '1', '007', '10', 'chunked', 'a', '']

/** What the header lines say, by the plain way. */
function expectedOf (lines: readonly (readonly [string, string])[]): number {
  const named = (wanted: string): readonly (readonly [string, string])[] => lines.filter(([name]) => name.toLowerCase() === wanted)
  const isCoded = named('transfer-encoding').length > 0
  const hasLength = named('content-length').some(([, value]) => Number(value) > 0)
  return (isCoded || hasLength ? Framing.body : 0) | (isCoded ? Framing.coding : 0) | (named('host').length > 1 ? Framing.moreHosts : 0)
}

t.test('framing is read from header lines however their names are written, and wherever they stand', async t => {
  const line = fc.tuple(fc.constantFrom(...names), fc.constantFrom(...values))
  const isFramed = fc.property(fc.array(line, { maxLength: 8 }), (lines) => framingOf(lines.flat()) === expectedOf(lines))
  t.doesNotThrow(() => { fc.assert(isFramed, { numRuns: 5_000 }) })
})
