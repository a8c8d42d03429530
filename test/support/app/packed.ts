import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The folder of this package. */
export const root = fileURLToPath(new URL('../../../', import.meta.url))

/** The Fastify that this run is about, as a folder of `node_modules`: `FASTIFY=6` asks for the coming major version. */
export const fastifyFolder = process.env['FASTIFY'] === '6' ? 'fastify-next' : 'fastify'

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>
  readonly peerDependencies: Readonly<Record<string, string>>
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional?: boolean }>>
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

interface Tarball {
  readonly tarball: Buffer
  readonly files: readonly string[]
}

/** Of this process: npm takes a second of processor time for it. */
let packed: Promise<Tarball> | undefined

async function pack (): Promise<Tarball> {
  const folder = await mkdtemp(join(tmpdir(), 'tarball-'))
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], { cwd: root })
  const [made] = JSON.parse(stdout) as Array<{ filename: string, files: Array<{ path: string }> }>
  if (made === undefined) throw new Error('npm pack made nothing')
  const tarball = await readFile(join(folder, made.filename))
  await rm(folder, { recursive: true })
  return { tarball, files: made.files.map(({ path }) => path) }
}

/**
 * Packs what was built and installs it beside what it declares to need, and nothing else: an import it does not declare fails, and so does one of what is optional.
 *
 * @param beside what the folder's own code needs in addition
 */
export async function installPacked (beside: readonly string[] = []): Promise<Packed> {
  const folder = await mkdtemp(join(tmpdir(), 'packed-'))
  const installed = join(folder, 'node_modules', 'fastify-read-guard')
  await mkdir(installed, { recursive: true })
  packed ??= pack()
  const { tarball, files } = await packed
  const file = join(folder, 'packed.tgz')
  await writeFile(file, tarball)
  await run('tar', ['-xzf', file, '-C', installed, '--strip-components=1'])
  const { dependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as Manifest
  const peers = Object.keys(peerDependencies).filter((name) => peerDependenciesMeta[name]?.optional !== true)
  for (const name of [...Object.keys(dependencies), ...peers, ...beside]) {
    const link = join(folder, 'node_modules', name)
    await mkdir(dirname(link), { recursive: true })
    await symlink(join(root, 'node_modules', name === 'fastify' ? fastifyFolder : name), link)
  }
  return {
    folder,
    files,
    size: tarball.length,
    remove: () => rm(folder, { recursive: true, force: true })
  }
}
