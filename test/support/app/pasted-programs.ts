import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import ts from 'typescript'
import { pasted, packagesOf, type Snippet } from './documents.js'
import { installPacked } from './packed.js'

/** Loads each program, and tells where it listens, or what its function returns. */
const loader = `
for (const name of process.argv.slice(2)) {
  const { app, handler } = await import(\`./\${name}\`)
  process.send({ name, port: app.server.address()?.port, answer: handler && await handler(JSON.parse(process.env.EVENT), {}) })
}
process.on('disconnect', () => process.exit())
`

/** A snippet at work in an application of its own. */
export interface PastedProgram {
  readonly port: number | undefined
  /** What the function returned, where the program is one. */
  readonly answer: { readonly statusCode: number, readonly body: string } | undefined
}

export interface PastedPrograms {
  readonly started: ReadonlyMap<Snippet, PastedProgram>
  /** What was written to standard error: warnings, and why a program did not start. */
  readonly stderr: () => string
  readonly stop: () => Promise<void>
}

/**
 * Pastes each snippet into an empty application, in a folder in which no more is installed than the documents say, and starts all of them.
 *
 * @param env `EVENT` is what functions are called with
 */
export async function startPasted (snippets: readonly Snippet[], env: NodeJS.ProcessEnv): Promise<PastedPrograms> {
  const { folder, remove } = await installPacked([...new Set(snippets.flatMap(packagesOf))])
  const names = await Promise.all(snippets.map(async (snippet, i) => {
    const name = `${i}.mjs`
    const source = snippet.language === 'ts' ? ts.transpileModule(pasted(snippet), { compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true } }).outputText : pasted(snippet)
    await writeFile(join(folder, name), source)
    return name
  }))
  await writeFile(join(folder, 'loader.mjs'), loader)
  const child = fork(join(folder, 'loader.mjs'), names, { cwd: folder, env: { PATH: process.env.PATH, PORT: '0', ...env }, execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  const started = new Map<Snippet, PastedProgram>()
  const exited = once(child, 'exit')
  await Promise.race([exited, new Promise<void>((resolve) => {
    child.on('message', ({ name, ...program }: PastedProgram & { name: string }) => {
      const snippet = snippets[names.indexOf(name)]
      if (snippet !== undefined) started.set(snippet, program)
      if (started.size === snippets.length) resolve()
    })
  })])
  return {
    started,
    stderr: () => stderr,
    stop: async () => {
      child.kill()
      await exited
      await remove()
    }
  }
}
