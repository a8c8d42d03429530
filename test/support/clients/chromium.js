import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { bytes, isChunked, stall, tries, url } from './upload.js'

const flags = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage', '--ignore-certificate-errors', '--virtual-time-budget=600000'
]
const { origin, pathname } = new URL(url)
const query = new URLSearchParams({ to: pathname, bytes: String(bytes), stream: String(isChunked), stall: String(stall), tries: String(tries) })
const profile = mkdtempSync(join(tmpdir(), 'chromium-upload-'))
try {
  const { stdout } = await promisify(execFile)('chromium', [...flags, `--user-data-dir=${profile}`, '--dump-dom', `${origin}/${process.env['PAGE'] ?? 'fetch'}?${query}`], { maxBuffer: 1e8 })
  const [, saw] = /<pre id="saw">([^<]*)<\/pre>/.exec(stdout) ?? []
  if (saw === undefined) throw new Error(`no result in ${stdout}`)
  console.log(saw.trim())
} finally {
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
}
