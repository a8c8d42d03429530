import got from 'got'
import { isWhole, lengthIfKnown, pieces, tell, url, whole } from './upload.js'

tell(async () => {
  const { statusCode, body } = await got.post(url, {
    headers: { 'Content-Type': 'application/x-stream', ...(isWhole ? {} : lengthIfKnown()) },
    body: isWhole ? whole() : pieces(),
    throwHttpErrors: false,
    retry: { limit: 0 }
  })
  return { statusCode, body }
})
