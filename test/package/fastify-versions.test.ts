import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fastify from 'fastify'
import { satisfies } from 'semver'
import t from 'tap'
import readGuard from '../../lib/index.js'
import { installPacked, root } from '../support/app/packed.js'

/** Final versions, and whether they are accepted. */
const finals = { '4.29.1': false, '5.0.0': true, '5.12.8': true, '6.0.0': true, '6.9.1': true, '7.0.0': false, '8.0.0': false } as const
/** Prereleases: a range of npm's takes those of the very first version only. */
const prereleases = { '6.0.0-alpha.4': true, '6.0.0-rc.1': true, '7.0.0-alpha.1': false } as const

const asked = process.env['FASTIFY'] || '5'

t.test('this run has the Fastify that it was asked for, also where a process of its own is started', async (t) => {
  t.match(fastify().version, new RegExp(`^${asked}\\.`))
  const { folder, remove } = await installPacked()
  t.teardown(remove)
  const file = join(folder, 'version.cjs')
  await writeFile(file, "console.log(require('fastify')().version)")
  const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: folder })
  t.equal(stdout.trim(), fastify().version)
})

for (const [version, isAccepted] of Object.entries({ ...finals, '6.0.0-alpha.4': true, '6.0.0-rc.1': true })) {
  t.test(`Fastify ${version} ${isAccepted ? 'takes' : 'refuses'} the plugin`, async (t) => {
    const app = fastify()
    t.teardown(() => app.close())
    Object.defineProperty(app, 'version', { value: version })
    app.register(readGuard)
    if (isAccepted) await t.resolves(async () => { await app.ready() })
    else await t.rejects(async () => { await app.ready() }, { code: 'FST_ERR_PLUGIN_VERSION_MISMATCH' })
  })
}

t.test('npm takes the same versions beside the package', async (t) => {
  const { peerDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { peerDependencies: Record<string, string> }
  for (const [version, isAccepted] of Object.entries({ ...finals, ...prereleases })) t.equal(satisfies(version, peerDependencies['fastify'] ?? ''), isAccepted, version)
})
