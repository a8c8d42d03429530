import { fetch } from 'undici'
import { isWhole, pieces, tell, url, whole } from './upload.js'

tell(async () => {
  const headers = { 'Content-Type': 'application/x-stream' }
  const response = await fetch(url, { method: 'POST', headers, ...(isWhole ? { body: whole() } : { body: pieces(), duplex: 'half' }) })
  return { statusCode: response.status, body: await response.text() }
})
