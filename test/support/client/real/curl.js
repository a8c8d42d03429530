import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { pipeline } from 'node:stream/promises'
import { text } from 'node:stream/consumers'
import { fileOf } from './body-file.js'
import { isWhole, pieces, tell, type } from './upload.js'

const how = (process.env['CURL'] ?? '').split(' ').filter(Boolean)

tell(async (upload, url) => {
  // What its standard input brings curl sends in chunks. It answers for itself meanwhile only where that is called ".".
  const body = upload.stall > 0
    ? ['--request', 'POST', '--upload-file', '.']
    : [...(isWhole(upload) ? [] : ['--header', 'Transfer-Encoding: chunked']), '--data-binary', `@${fileOf(upload)}`]
  const curl = spawn('curl', ['--silent', '--show-error', '--no-progress-meter', '--write-out', '\n%{http_code}', '--header', `Content-Type: ${type}`, ...how, ...body, url])
  if (upload.stall > 0) pipeline(pieces(upload), curl.stdin).catch(() => {}) // it stops reading once it is answered
  else curl.stdin.end()
  const [out, errors, [code]] = await Promise.all([text(curl.stdout), text(curl.stderr), once(curl, 'close')])
  if (code !== 0) throw new Error(errors.trim())
  const [answer = '', statusCode] = out.split(/\n(?=\d+$)/)
  return { statusCode: Number(statusCode), body: answer }
})
