import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { fileOf } from './body-file.js'
import { tell, type } from './upload.js'

tell(async (upload, url) => {
  const length = upload.chunked ? ['--no-content-length'] : []
  const { stdout } = await promisify(execFile)('nghttp', ['--stat', '--header', `content-type: ${type}`, ...length, '--data', fileOf(upload), url])
  const [, body, statusCode] = /^(.*)\*{5} Statistics \*{5}\n.* (\d+) +\d+ \S+\n$/s.exec(stdout) ?? []
  if (statusCode === undefined) throw new Error('no answer')
  return { statusCode: Number(statusCode), body: body ?? '' }
})
