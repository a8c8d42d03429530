import { Readable } from 'node:stream'
import axios from 'axios'
import { isWhole, lengthIfKnown, pieces, tell, url, whole } from './upload.js'

tell(async () => {
  const { status, data } = await axios.post(url, isWhole ? whole() : Readable.from(pieces()), {
    headers: { 'Content-Type': 'application/x-stream', ...(isWhole ? {} : lengthIfKnown()) },
    maxBodyLength: Infinity,
    responseType: 'text',
    validateStatus: () => true
  })
  return { statusCode: status, body: data }
})
