import http2 from 'node:http2'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { isWhole, lengthIfKnown, pieces, tell, url, whole } from './upload.js'

const { origin, pathname } = new URL(url)
const session = http2.connect(origin)

tell(() => new Promise((resolve, reject) => {
  const stream = session.request({ ':method': 'POST', ':path': pathname, 'content-type': 'application/x-stream', ...(isWhole ? lengthIfKnown() : {}) })
  stream.on('error', reject)
  stream.on('response', (headers) => {
    text(stream).then((body) => resolve({ statusCode: Number(headers[':status']), body }), reject)
  })
  if (isWhole) stream.end(whole())
  else Readable.from(pieces()).pipe(stream)
}))
