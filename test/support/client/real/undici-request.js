import { Readable } from 'node:stream'
import { request } from 'undici'
import { headersOf, isWhole, pieces, tell, whole } from './upload.js'

tell(async (upload, url) => {
  const { statusCode, body } = await request(url, {
    method: 'POST',
    headers: headersOf(upload),
    body: isWhole(upload) ? whole(upload) : Readable.from(pieces(upload))
  })
  return { statusCode, body: await body.text() }
})
