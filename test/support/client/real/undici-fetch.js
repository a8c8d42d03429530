import { fetch } from 'undici'
import { isWhole, pieces, tell, type, whole } from './upload.js'

tell(async (upload, url) => {
  const body = isWhole(upload) ? { body: whole(upload) } : { body: pieces(upload), duplex: /** @type {const} */ ('half') }
  const response = await fetch(url, { method: 'POST', headers: { 'Content-Type': type }, ...body })
  return { statusCode: response.status, body: await response.text() }
})
