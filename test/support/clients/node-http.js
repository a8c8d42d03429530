import http from 'node:http'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { isWhole, lengthIfKnown, pieces, tell, url, whole } from './upload.js'

const agent = new http.Agent({ keepAlive: process.env['KEEP_ALIVE'] === '1' })

tell(() => new Promise((resolve, reject) => {
  const request = http.request(url, { method: 'POST', agent, headers: { 'Content-Type': 'application/x-stream', ...(isWhole ? {} : lengthIfKnown()) } })
  request.on('error', reject)
  request.on('response', (response) => {
    text(response).then((body) => resolve({ statusCode: response.statusCode ?? 0, body }), reject)
  })
  if (isWhole) request.end(whole())
  else Readable.from(pieces()).pipe(request)
}))
