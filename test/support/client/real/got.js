import got from 'got'
import { headersOf, isWhole, pieces, tell, whole } from './upload.js'

tell(async (upload, url) => {
  const { statusCode, body } = await got.post(url, {
    headers: headersOf(upload),
    body: isWhole(upload) ? whole(upload) : pieces(upload),
    throwHttpErrors: false,
    retry: { limit: 0 }
  })
  return { statusCode, body }
})
