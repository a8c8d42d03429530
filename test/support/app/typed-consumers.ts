import { execFile } from 'node:child_process'
import { cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { installPacked, root } from './packed.js'

const compilerOptions = {
  target: 'es2022',
  lib: ['es2023'],
  module: 'nodenext',
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  noEmit: true
}

/** The consumers in `test/package/types`, beside the package as it would be published. */
export async function typedConsumers (t: Test): Promise<string> {
  const { folder, remove } = await installPacked(['@types/node', '@opentelemetry/api', '@prometheus-io/client', 'prom-client'])
  t.teardown(remove)
  await cp(join(root, 'test', 'package', 'types'), folder, { recursive: true })
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.mts', '*.cts'] }))
  const bundled = { ...compilerOptions, module: 'esnext', moduleResolution: 'bundler' }
  await writeFile(join(folder, 'bundled.json'), JSON.stringify({ compilerOptions: bundled, include: ['*.mts'] }))
  return folder
}

/**
 * What a compiler has to say about a folder, line by line.
 *
 * @param compiler its program, as a path below `node_modules`
 * @param project `tsconfig.json`, as Node resolves imports, or `bundled.json`, as bundlers do
 */
export async function compile (folder: string, compiler: string, project: 'tsconfig.json' | 'bundled.json' = 'tsconfig.json'): Promise<string[]> {
  return promisify(execFile)(process.execPath, [join(root, 'node_modules', compiler), '--project', project], { cwd: folder }).then(
    () => [],
    ({ stdout, stderr }: { stdout: string, stderr: string }) => `${stdout}${stderr}`.trim().split('\n')
  )
}
