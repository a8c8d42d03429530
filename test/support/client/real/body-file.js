import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { whole } from './upload.js'

const folder = mkdtempSync(join(tmpdir(), 'read-guard-upload-'))
process.once('exit', () => rmSync(folder, { recursive: true }))

/** @type {Map<number, string>} */
const files = new Map()

/**
 * The body as a file, for clients that send nothing else.
 * @param {import('./upload.js').Upload} upload
 */
export function fileOf (upload) {
  const path = files.get(upload.bytes) ?? join(folder, String(upload.bytes))
  if (!files.has(upload.bytes)) writeFileSync(path, whole(upload))
  files.set(upload.bytes, path)
  return path
}
