import { execFile } from 'node:child_process'
import { cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { installPacked, root } from '../support/app/packed.js'

const compilerOptions = {
  target: 'es2022',
  lib: ['es2023'],
  module: 'nodenext',
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: true,
  noEmit: true
}

/** What the compiler has to say about the consumers in a folder, line by line. */
async function compile (folder: string): Promise<string[]> {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  return promisify(execFile)(process.execPath, [compiler, '--project', folder], { cwd: folder }).then(
    () => [],
    ({ stdout }: { stdout: string }) => stdout.trim().split('\n')
  )
}

t.test('the packed types say what can be done with it, to ESM and CommonJS', { timeout: 120_000 }, async (t) => {
  const { folder, remove } = await installPacked(['@types/node', '@opentelemetry/api', '@prometheus-io/client', 'prom-client'])
  t.teardown(remove)
  await cp(join(root, 'test', 'package', 'types'), folder, { recursive: true })
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.mts', '*.cts'] }))
  t.same(await compile(folder), [])
})
