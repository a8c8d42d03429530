import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { text } from 'node:stream/consumers'
import { isChunked, pieces, stall, tell, url, whole } from './upload.js'

const folder = mkdtempSync(join(tmpdir(), 'curl-upload-'))
const file = join(folder, 'body')
writeFileSync(file, whole())
process.once('exit', () => rmSync(folder, { recursive: true }))

const how = (process.env['CURL'] ?? '').split(' ').filter(Boolean)
// curl answers for itself as long as it can't read its standard input, unless that is called "."
const body = stall > 0
  ? ['-X', 'POST', '-T', '.']
  : [...(isChunked ? ['-H', 'Transfer-Encoding: chunked'] : []), '--data-binary', `@${file}`]

tell(async () => {
  const curl = spawn('curl', ['--silent', '--show-error', '--write-out', '\n%{http_code}', '--header', 'Content-Type: application/x-stream', ...how, ...body, url])
  if (stall > 0) pipeline(pieces(), curl.stdin).catch(() => {}) // it stops reading when it is answered
  else curl.stdin.end()
  const [out, errors, [code]] = await Promise.all([text(curl.stdout), text(curl.stderr), once(curl, 'close')])
  if (code !== 0) throw new Error(errors.trim())
  const [answer = '', statusCode] = out.split(/\n(?=\d+$)/)
  return { statusCode: Number(statusCode), body: answer }
})
