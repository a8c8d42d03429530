import { Readable } from 'node:stream'
import { request } from 'undici'
import { isWhole, lengthIfKnown, pieces, tell, url, whole } from './upload.js'

tell(async () => {
  const { statusCode, body } = await request(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-stream', ...(isWhole ? {} : lengthIfKnown()) },
    body: isWhole ? whole() : Readable.from(pieces())
  })
  return { statusCode, body: await body.text() }
})
