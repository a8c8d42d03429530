import http2 from 'node:http2'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { headersOf, origin, pieces, tell } from './upload.js'

const session = http2.connect(origin)

tell((upload) => new Promise((resolve, reject) => {
  const stream = session.request({ ':method': 'POST', ':path': upload.path, ...headersOf(upload) })
  stream.on('error', reject)
  stream.on('response', (headers) => {
    text(stream).then((body) => resolve({ statusCode: Number(headers[':status']), body }), reject)
  })
  // In one piece it would be more than a session of Node's may hold in memory.
  Readable.from(pieces(upload)).pipe(stream)
}))
