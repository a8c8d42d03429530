import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, normalize } from 'node:path'
import t from 'tap'
import { blocks, documents, snippets } from '../support/app/documents.js'
import { installPacked, root } from '../support/app/packed.js'

/** The text without what is code. */
function prose (text: string): string {
  return text.replaceAll(/^```.*?^```$/gms, '').replaceAll(/`[^`\n]*`/g, (code) => 'x'.repeat(code.length))
}

/** The anchors that GitHub gives to the headings of a document. */
function anchors (text: string): string[] {
  return [...text.replaceAll(/^```.*?^```$/gms, '').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading.toLowerCase().replaceAll(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-'))
}

interface Link {
  readonly document: string
  readonly to: string
}

const others = ['CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'].map((path) => [path, readFileSync(join(root, path), 'utf8')] as const)

const links: readonly Link[] = [...documents, ...others].flatMap(([document, text]) =>
  [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, to = '']) => /^https?:/.test(to) ? [] : [{ document, to }]))

function targetOf ({ document, to }: Link): readonly [path: string, anchor: string | undefined] {
  const [path = '', anchor] = to.split('#')
  return [path === '' ? document : normalize(join(dirname(document), path)), anchor]
}

t.test('every relative link leads to a file that is there, and to a heading that it has', async (t) => {
  t.ok(links.length > 30)
  t.same(links.flatMap((link) => {
    const [path, anchor] = targetOf(link)
    if (!existsSync(join(root, path))) return [`${link.document} links to ${link.to}: no such file`]
    return anchor === undefined || anchors(readFileSync(join(root, path), 'utf8')).includes(anchor) ? [] : [`${link.document} links to ${link.to}: no such heading`]
  }), [])
})

t.test('every relative link of a document in the tarball leads to a file in the tarball', async (t) => {
  const { files, remove } = await installPacked()
  t.teardown(remove)
  t.ok(files.includes('README.md') && files.includes('docs/limits.md'))
  t.same(links.filter((link) => files.includes(link.document) && !files.includes(targetOf(link)[0])), [])
})

t.test('the README leads to every document in the tarball, directly or through another', async (t) => {
  const reached = new Set(['README.md'])
  for (const document of reached) {
    for (const link of links.filter((link) => link.document === document)) reached.add(targetOf(link)[0])
  }
  t.same([...documents.keys()].filter((document) => !reached.has(document) && document !== 'docs/architecture.md'), [])
})

/** Whether the paragraphs of a snippet stand in a file; imports may stand apart. */
function occursIn (file: string, code: string): boolean {
  const lines = file.split('\n')
  return code.trim().split('\n\n').every((paragraph) =>
    `\n${file}`.includes(`\n${paragraph}\n`) || paragraph.split('\n').every((line) => line.startsWith('import ') && lines.includes(line)))
}

t.test('every npm script that a workflow or CONTRIBUTING.md names is there', async (t) => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
  for (const path of ['.github/workflows/ci.yml', '.github/workflows/release.yml', '.ci/run', 'CONTRIBUTING.md']) {
    const named = [...readFileSync(join(root, path), 'utf8').matchAll(/npm run ([\w:]+)/g)].map(([, name = '']) => name)
    t.same(named.filter((name) => scripts[name] === undefined), [], path)
  }
})

t.test('the changelog has the version', async (t) => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  t.match(readFileSync(join(root, 'CHANGELOG.md'), 'utf8'), `\n## ${version}\n`)
})

t.test('every snippet is from an example, or says where a test runs it', async (t) => {
  t.ok(snippets.length >= 15)
  for (const { document, source, code } of snippets) {
    const [, as] = /^as in (test\/\w[\w/-]*\.ts)$/.exec(source) ?? []
    if (as !== undefined) {
      t.ok(existsSync(join(root, as)), `${as} is there`)
      continue
    }
    const [, by] = /^run by (test\/\w[\w/-]*\.test\.ts)$/.exec(source) ?? []
    if (by !== undefined) {
      t.ok(existsSync(join(root, by)) && readFileSync(join(root, by), 'utf8').includes(basename(document)), `${by} reads ${document}`)
      continue
    }
    t.match(source, /^examples\/\w[\w/-]*\.(js|ts)$/, `${document}: ${code.split('\n', 1).join()}`)
    t.ok(existsSync(join(root, source)) && occursIn(readFileSync(join(root, source), 'utf8'), code), `${source} has it: ${document}, ${code.split('\n', 1).join()}`)
  }
})

t.test('every example is in a document, and is run by a test', async (t) => {
  const examples = readdirSync(join(root, 'examples')).filter((file) => /\.(js|ts)$/.test(file)).map((file) => `examples/${file}`)
  t.same(examples.filter((example) => !blocks.some(({ source }) => source === example)), [], 'in a document')
  const tests = ['package/pasted.test.ts', 'neighbours/pasted.test.ts'].map((file) => readFileSync(join(root, 'test', file), 'utf8')).join('')
  t.same(examples.filter((example) => !tests.includes(`'${example}'`)), [], 'run as pasted')
})
