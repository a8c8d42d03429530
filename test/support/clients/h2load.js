import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { tell, url, whole } from './upload.js'

const folder = mkdtempSync(join(tmpdir(), 'h2load-upload-'))
const file = join(folder, 'body')
const log = join(folder, 'log')
writeFileSync(file, whole())
process.once('exit', () => rmSync(folder, { recursive: true }))

/** It tells the status, and not the body. */
tell(async () => {
  rmSync(log, { force: true })
  const { stdout } = await promisify(execFile)('h2load', ['-n', '1', '-c', '1', '-d', file, `--log-file=${log}`, url])
  if (!/ 0 errored, 0 timeout/.test(stdout)) throw new Error(/^requests:.*/m.exec(stdout)?.[0] ?? stdout)
  return { statusCode: Number(readFileSync(log, 'utf8').split('\t')[1]) }
})
