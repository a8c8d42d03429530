import http from 'node:http'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { headersOf, isWhole, pieces, tell, whole } from './upload.js'

const agent = new http.Agent({ keepAlive: process.env['KEEP_ALIVE'] === '1' })

tell((upload, url) => new Promise((resolve, reject) => {
  const request = http.request(url, { method: 'POST', agent, headers: headersOf(upload) })
  request.on('error', reject)
  request.on('response', (response) => {
    text(response).then((body) => resolve({ statusCode: response.statusCode ?? 0, body }), reject)
  })
  if (isWhole(upload)) request.end(whole(upload))
  else Readable.from(pieces(upload)).pipe(request)
}))
