import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './packed.js'

/** A code block of a document that a user pastes. */
export interface Snippet {
  readonly document: string
  readonly language: string
  readonly code: string
  /** The comment above it: the file it is from, or what runs it. */
  readonly source: string
}

export interface Block extends Omit<Snippet, 'source'> {
  readonly source: string | undefined
}

/** What people read: the README and `docs/`, by their path in the package. */
export const documents: ReadonlyMap<string, string> = new Map(
  ['README.md', ...readdirSync(join(root, 'docs')).filter((file) => file.endsWith('.md')).map((file) => `docs/${file}`)]
    .map((path) => [path, readFileSync(join(root, path), 'utf8')])
)

/** All code blocks. */
export const blocks: readonly Block[] = [...documents].flatMap(([document, text]) =>
  [...text.matchAll(/(?:<!-- ([^\n]+) -->\n)?^```(\w*)\n(.*?)^```$/gms)].map(([, source, language = '', code = '']) => ({ document, source, language, code })))

const program = /^(js|ts|mjs|cjs|javascript|typescript)$/

/** The code blocks that are programs, or parts of one. */
export const snippets: readonly Snippet[] = blocks.flatMap((block) => program.test(block.language) ? [{ ...block, source: block.source ?? 'nowhere' }] : [])

/** The snippets that are from a file right in `examples/`: those are pasted. */
export const pasteable: readonly Snippet[] = snippets.filter(({ source }) => /^examples\/[\w-]+\.(js|ts)$/.test(source))

/** The packages that a snippet imports, Fastify and this one aside. */
export function packagesOf ({ code }: Snippet): string[] {
  return [...code.matchAll(/^import .*?'((?:@[\w-]+\/)?[\w-]+)[^']*'$/gm)].flatMap(([, name = '']) => name.startsWith('node') || /^fastify(-read-guard)?$/.test(name) ? [] : [name])
}

const registration = 'await app.register(readGuard)\n'

/** The application that the documents say a snippet is pasted into, with the snippet in its place. */
export function pasted ({ code }: Snippet): string {
  if (code.includes('app.listen(')) return `${code}\nexport { app }\n`
  return `import Fastify from 'fastify'
import readGuard from 'fastify-read-guard'

const app = Fastify({ logger: true })
${code.includes('register(readGuard') ? '' : registration}
${code}
${code.includes('export const handler') ? '' : 'await app.listen({ port: Number(process.env.PORT ?? 3000) })'}
export { app }
`
}
