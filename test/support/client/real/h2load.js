import { execFile } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { promisify } from 'node:util'
import { fileOf } from './body-file.js'
import { tell } from './upload.js'

/** It tells the status, and not the body. */
tell(async (upload, url) => {
  const log = `${fileOf(upload)}.log`
  rmSync(log, { force: true })
  const { stdout } = await promisify(execFile)('h2load', ['-n', '1', '-c', '1', '-d', fileOf(upload), `--log-file=${log}`, url])
  if (!/ 0 errored, 0 timeout/.test(stdout)) throw new Error(/^requests:.*/m.exec(stdout)?.[0] ?? stdout)
  return { statusCode: Number(readFileSync(log, 'utf8').split('\t')[1]) }
})
