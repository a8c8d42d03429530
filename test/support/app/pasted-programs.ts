import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import ts from 'typescript'
import { pasted, packagesOf, type Snippet } from './documents.js'
import type { LogLine } from './guarded-app.js'
import { installPacked } from './packed.js'

/** Loads each program, and tells where it listens, or what its function returns. */
const loader = `
for (const name of process.argv.slice(2)) {
  const module = await import(\`./\${name}\`)
  const { app, handler } = await module.started ?? module
  const server = app.server ?? app.getHttpServer()
  process.send({ name, port: server.address()?.port, answer: handler && await handler(JSON.parse(process.env.EVENT), {}) })
}
process.on('disconnect', () => process.exit())
`

/** What a snippet in TypeScript becomes. */
export type ModuleKind = 'ESM' | 'CommonJS'

/** A program that waits for nothing while it is loaded, as CommonJS demands. */
function waitingLater (source: string): string {
  const [before = ''] = /^[^]*?(?=^const app = await )/m.exec(source) ?? []
  const rest = source.slice(before.length).replace('export { app }', 'return { app }')
  return `${before}async function start () {\n${rest}}\nexport const started = start()\n`
}

/** JavaScript of a snippet that was pasted. */
function javaScriptOf (snippet: Snippet, kind: ModuleKind): string {
  const source = pasted(snippet)
  if (snippet.language !== 'ts') return source
  const isCommonJs = kind === 'CommonJS'
  return ts.transpileModule(isCommonJs ? waitingLater(source) : source, {
    compilerOptions: { module: isCommonJs ? ts.ModuleKind.CommonJS : ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, esModuleInterop: true, experimentalDecorators: true, verbatimModuleSyntax: !isCommonJs }
  }).outputText
}

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
  /** What was logged, line by line. */
  readonly log: readonly LogLine[]
  readonly stop: () => Promise<void>
}

/**
 * Pastes each snippet into an empty application, in a folder in which no more is installed than the documents say, and starts all of them.
 *
 * @param env `EVENT` is what functions are called with
 * @param kind of the snippets in TypeScript
 */
export async function startPasted (snippets: readonly Snippet[], env: NodeJS.ProcessEnv, kind: ModuleKind = 'ESM'): Promise<PastedPrograms> {
  const { folder, remove } = await installPacked([...new Set(snippets.flatMap(packagesOf))])
  const names = await Promise.all(snippets.map(async (snippet, i) => {
    const name = snippet.language === 'ts' && kind === 'CommonJS' ? `${i}.cjs` : `${i}.mjs`
    await writeFile(join(folder, name), javaScriptOf(snippet, kind))
    return name
  }))
  await writeFile(join(folder, 'loader.mjs'), loader)
  const child = fork(join(folder, 'loader.mjs'), names, { cwd: folder, env: { PATH: process.env.PATH, PORT: '0', ...env }, execArgv: [], stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  const log: LogLine[] = []
  if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => { if (line.startsWith('{')) log.push(JSON.parse(line) as LogLine) })
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
    log,
    stop: async () => {
      child.kill()
      await exited
      await remove()
    }
  }
}
