import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The folder of this package. */
export const root = fileURLToPath(new URL('../../../', import.meta.url))

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>
  readonly peerDependencies: Readonly<Record<string, string>>
}

export interface Packed {
  /** A folder outside of this package, in which it is installed as it would be published. */
  readonly folder: string
  /** What the tarball has in it. */
  readonly files: readonly string[]
  /** Of the tarball, in bytes. */
  readonly size: number
  readonly remove: () => Promise<void>
}

/**
 * Packs what was built and installs it beside what it declares to need, and nothing else: an import it does not declare fails.
 *
 * @param beside what the folder's own code needs in addition
 */
export async function installPacked (beside: readonly string[] = []): Promise<Packed> {
  const folder = await mkdtemp(join(tmpdir(), 'packed-'))
  const installed = join(folder, 'node_modules', 'fastify-read-guard')
  await mkdir(installed, { recursive: true })
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], { cwd: root })
  const [tarball] = JSON.parse(stdout) as Array<{ filename: string, size: number, files: Array<{ path: string }> }>
  if (tarball === undefined) throw new Error('npm pack made nothing')
  await run('tar', ['-xzf', join(folder, tarball.filename), '-C', installed, '--strip-components=1'])
  const { dependencies, peerDependencies } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as Manifest
  for (const name of [...Object.keys(dependencies), ...Object.keys(peerDependencies), ...beside]) {
    const link = join(folder, 'node_modules', name)
    await mkdir(dirname(link), { recursive: true })
    await symlink(join(root, 'node_modules', name), link)
  }
  return {
    folder,
    files: tarball.files.map(({ path }) => path),
    size: tarball.size,
    remove: () => rm(folder, { recursive: true, force: true })
  }
}
