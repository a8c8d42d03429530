import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../support/app/packed.js'
import { compile, typedConsumers } from '../support/app/typed-consumers.js'

/** The oldest that the types are for, the one that the package is built with, and the newest. */
const compilers = [
  ['5.4', '@tsd/typescript/typescript/bin/tsc'],
  ['6.0', 'typescript/bin/tsc'],
  ['7.0', '@typescript/native-preview/lib/tsgo.js']
] as const

for (const [version, compiler] of compilers) {
  t.test(`the packed types are right and wrong in the same places to TypeScript ${version}, in ESM and CommonJS`, { timeout: 120_000 }, async (t) => {
    t.match(execFileSync(process.execPath, [join(root, 'node_modules', compiler), '--version'], { encoding: 'utf8' }), ` ${version}.`)
    const folder = await typedConsumers(t)
    t.same(await compile(folder, compiler), [])
    t.same(await compile(folder, compiler, 'bundled.json'), [])

    await writeFile(join(folder, 'wrong.mts'), `
      import { isReadError } from 'fastify-read-guard'
      export const limitOf = (error: unknown): number => isReadError(error) && error.code === 'FST_READ_ABORTED' ? error.limit : 0
    `)
    t.match(await compile(folder, compiler), [/^wrong\.mts.*TS2322/], 'a mistake is found')
  })
}
