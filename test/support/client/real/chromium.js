import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { origin, tries, uploads } from './upload.js'

const flags = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage', '--ignore-certificate-errors', '--virtual-time-budget=600000'
]

/** It makes its uploads from a page of the application's own, in which it leaves what it saw. */
const page = `${origin}/${process.env['PAGE'] ?? 'fetch'}?${new URLSearchParams({ tries: String(tries), uploads: JSON.stringify(uploads) })}`
const profile = mkdtempSync(join(tmpdir(), 'read-guard-chromium-'))
try {
  const { stdout } = await promisify(execFile)('chromium', [...flags, `--user-data-dir=${profile}`, '--dump-dom', page], { maxBuffer: 1e8 })
  const [, saw] = /<pre id="saw">([^<]*)<\/pre>/.exec(stdout) ?? []
  if (saw === undefined) throw new Error(`no result in ${stdout}`)
  console.log(saw.trim())
} finally {
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
}
